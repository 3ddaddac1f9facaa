"""A reset of the pilot does not clear what a person, or a new plug, has to clear."""

from __future__ import annotations

import pytest

from bench_in_process import Bench
from pilotwire.boards.sim import parameters
from pilotwire.boards.sim.car import Car
from pilotwire.firmware.kernel import faults, table
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.firmware.pilot.retained import LASTING, Retained
from pilotwire.firmware.pilot.rp2040_scratch import retained as on_chip
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.settings import SHORT_PAUSES
from rp2040_fake import CHIP_ID
from rp2040_rig import KINDS, Rig

FIRST, SECOND = 0x4005800C, 0x40058010


def reset(bench: Bench, memory: dict[int, int] | None) -> None:
    """A watchdog reset: everything anew but the retained memory."""
    bench.start_pilot()
    bench.wires = Wires()
    retained = None if memory is None else Retained(memory, FIRST, SECOND)
    link = PilotLink(0x5000 + bench.now_ms % 1000, "bench pilot")
    bench.pilot = Pilot(FrontEnd(Machine(bench.wires)), parameters.build(SHORT_PAUSES), link, (), retained)


def board() -> tuple[Bench, dict[int, int]]:
    memory = {FIRST: 0x12345678, SECOND: 0x0BADCAFE}  # what memory holds after power comes
    bench = Bench(Car())
    reset(bench, memory)
    bench.run(1500)
    return bench, memory


def test_after_power_comes_nothing_is_remembered_whatever_the_memory_holds() -> None:
    bench, _ = board()
    assert bench.pilot.kernel.faults == 0


@pytest.mark.parametrize("pattern", [0, 0x3FFFFFFF, 0xFFFFFFFF, LASTING])
@pytest.mark.parametrize("check", [0, 0x3FFFFFFF, 0xFFFFFFFF, LASTING])
def test_words_that_nobody_wrote_mean_nothing(pattern: int, check: int) -> None:
    assert Retained({FIRST: pattern, SECOND: check}, FIRST, SECOND).read() == 0


@pytest.mark.parametrize("place", [FIRST, SECOND])
@pytest.mark.parametrize("bit", range(32))
def test_a_flipped_bit_is_noticed(place: int, bit: int) -> None:
    memory = {FIRST: 0, SECOND: 0}
    retained = Retained(memory, FIRST, SECOND)
    retained.write(faults.EARTH | faults.PEN)
    assert retained.read() == faults.EARTH | faults.PEN
    memory[place] ^= 1 << bit
    assert retained.read() == 0


@pytest.mark.parametrize("row", faults.FAULTS, ids=[row[1] for row in faults.FAULTS])
def test_what_clears_by_itself_or_by_a_restart_is_not_kept_and_all_else_is(row: tuple[int, str, int, int, int]) -> None:
    memory = {FIRST: 0, SECOND: 0}
    Retained(memory, FIRST, SECOND).write(row[0])
    kept = row[4] not in (faults.BY_CAUSE, faults.BY_RESTART)
    assert Retained(memory, FIRST, SECOND).read() == (row[0] if kept else 0)
    assert max(memory.values()) < 2**30, "a board writes these in its tick"


def test_a_released_emergency_stop_stands_after_a_reset_until_a_person_clears_it() -> None:
    bench, memory = board()
    bench.world.car.plug()
    bench.permit(16000)
    bench.charge(16000)
    bench.world.stop_pressed = True
    bench.run(100)
    assert not bench.world.contactor.closed
    bench.world.stop_pressed = False
    bench.run(200)
    assert bench.pilot.kernel.faults == faults.STOP_BUTTON
    reset(bench, memory)
    bench.permit(16000)
    bench.run(60_000)
    assert bench.pilot.kernel.faults == faults.STOP_BUTTON
    assert bench.pilot.kernel.phase == table.FAULTED
    assert bench.world.duty == 1.0
    assert bench.pilot.kernel.cycles == 0, "it closed with the stop standing"
    bench.station.request(REQUEST_CLEAR)
    bench.run(60_000)
    assert bench.pilot.kernel.faults == 0
    assert bench.pilot.kernel.cycles == 1
    reset(bench, memory)
    bench.run(1500)
    assert bench.pilot.kernel.faults == 0, "what was cleared is remembered as cleared"


def test_without_retained_memory_a_reset_forgets() -> None:
    bench, _ = board()
    bench.world.stop_pressed = True
    bench.run(100)
    bench.world.stop_pressed = False
    bench.run(200)
    reset(bench, None)
    bench.run(1500)
    assert bench.pilot.kernel.faults == 0


def test_a_diode_fault_goes_with_the_car_also_after_a_reset() -> None:
    bench, memory = board()
    Retained(memory, FIRST, SECOND).write(faults.DIODE)
    bench.world.car.plug()
    reset(bench, memory)
    bench.run(5000)
    assert bench.pilot.kernel.faults & faults.DIODE
    bench.world.car.unplug()
    bench.run(5000)
    assert bench.pilot.kernel.faults == 0


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_chip_they_lie_in_the_first_two_scratch_registers_and_nothing_else_is_touched(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(monkeypatch, kind)
    assert on_chip().read() == 0
    on_chip().write(faults.PEN)
    assert on_chip().read() == faults.PEN
    assert rig.chip.scratch[0] ^ rig.chip.scratch[1] == 2**30 - 1


def test_another_chip_has_no_scratch_registers_that_we_know(monkeypatch: pytest.MonkeyPatch) -> None:
    Rig(monkeypatch)
    monkeypatch.setitem(CHIP_ID, "RP2040", 0x10003927)
    with pytest.raises(ValueError, match="part number 3 is neither RP2040"):
        on_chip()
