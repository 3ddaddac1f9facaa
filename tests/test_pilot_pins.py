"""The pilot program at its pins and on its line: scales, the alive wave, what is sent and when."""

from __future__ import annotations

import itertools

import pytest

from bench_in_process import Bench
from pilotwire.firmware.kernel import kernel
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import frame, messages


def whole(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


def test_state_is_sent_every_100_ms_and_hello_every_500_until_a_station_answers() -> None:
    bench = Bench(pilot_start_ms=TICKS_PERIOD - 3000)
    seen: list[tuple[int, object]] = []

    def tap(data: bytes) -> bytes:
        seen.extend((bench.now_ms, message[0]) for message in whole(data))
        return data

    bench.line_to_station = tap
    bench.line_to_pilot = lambda data: b""
    bench.run(3000)
    assert seen == [(now_ms, messages.HELLO) for now_ms in range(0, 3000, 500)]
    bench.line_to_pilot = lambda data: data
    bench.run(1000)
    seen.clear()
    bench.run(1000)
    states = [now_ms for now_ms, kind in seen if kind == messages.STATE]
    assert len(states) == len(seen) == 10
    assert {later - earlier for earlier, later in itertools.pairwise(states)} == {100}


def test_the_station_reads_the_levels_on_the_wire() -> None:
    bench = Bench()
    bench.charge()
    bench.run(1000)
    state = bench.station.state
    assert state is not None
    assert [state.cp_high_mv, state.cp_low_mv] == pytest.approx([5995, -12000], abs=1)
    assert (state.duty, state.limit_ma, state.close, state.contacts_closed) == (2666, 15996, True, True)
    assert state.cycles == 1


def test_the_adc_scale_is_exact_to_a_millivolt() -> None:
    for cp_mv in range(-15000, 15000):
        raw = frontend.cp_u16(cp_mv)
        assert 0 <= raw <= 65535
        assert abs(frontend.cp_mv(raw) - cp_mv) <= 1


def test_the_adc_scale_stays_in_its_range_and_below_2_to_the_30() -> None:
    assert (frontend.cp_u16(-20000), frontend.cp_u16(20000)) == (0, 65535)
    assert (frontend.cp_mv(0), frontend.cp_mv(65535)) == (-15000, 14999)
    assert 65535 * frontend.CP_SPAN_MV < 2**30
    assert 10000 * 65535 < 2**30


def test_the_pins_are_silent_from_the_first_moment() -> None:
    wires = Wires()
    frontend.FrontEnd(Machine(wires))
    assert wires.duty_u16 == {frontend.CP_PWM: 65535}
    assert wires.level == {frontend.COIL: 0, frontend.ALIVE: 0}


def test_the_alive_wave_turns_once_in_every_tick_and_only_there() -> None:
    wires = Wires()
    pilot = Pilot(Machine(wires), 32000, 7, "alone")
    levels = []
    for now_ms in range(0, 100, 5):
        pilot.tick(now_ms, b"")
        levels.append(wires.level[frontend.ALIVE])
    assert levels == [1, 0] * 10


def test_a_program_that_breaks_in_the_middle_of_a_tick_does_not_turn_the_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires()
    pilot = Pilot(Machine(wires), 32000, 7, "alone")
    pilot.tick(0, b"")
    before = dict(wires.level)

    def breaks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(kernel.Kernel, "step", breaks)
    with pytest.raises(MemoryError):
        pilot.tick(5, b"")
    assert wires.level == before


def test_the_machine_stand_in_knows_what_the_program_uses_and_refuses_another_frequency() -> None:
    wires = Wires()
    machine = Machine(wires)
    pin = machine.Pin(5, machine.Pin.OUT, value=1)
    assert (pin.value(), pin.value(0), wires.level[5]) == (1, 0, 0)
    assert machine.Pin(6, machine.Pin.IN).value() == 0
    assert 6 not in wires.level, "an input is not driven"
    assert machine.ADC(machine.Pin(26)).read_u16() == 0
    machine.PWM(machine.Pin(0), freq=1000, duty_u16=7).duty_u16(9)
    assert wires.duty_u16 == {0: 9}
    with pytest.raises(ValueError, match="1000 Hz"):
        machine.PWM(machine.Pin(0), freq=500)
