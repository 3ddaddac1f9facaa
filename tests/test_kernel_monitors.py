"""Earth monitor, PEN-fault detector and emergency stop: evidence, and that each counts only where it is fitted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C
from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR
from pilotwire.firmware.kernel.monitors import Monitors


@dataclass(frozen=True)
class Monitor:
    """One input: its bad value, the hardware it needs, the fault and its evidence."""

    name: str
    bad: bool
    hardware: int
    bit: int
    evidence_ms: int

    def fails(self, inputs: Inputs) -> None:
        setattr(inputs, self.name, self.bad)

    def recovers(self, inputs: Inputs) -> None:
        setattr(inputs, self.name, not self.bad)


MONITORS = (
    Monitor("earth_ok", False, params.EARTH, faults.EARTH, 50),
    Monitor("pen_lost", True, params.PEN, faults.PEN, 50),
    Monitor("stop_pressed", True, params.STOP_BUTTON, faults.STOP_BUTTON, 1),
)
EACH = pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor.name)


def test_what_a_board_lacks_reads_as_good() -> None:
    inputs = Inputs()
    assert (inputs.earth_ok, inputs.pen_lost, inputs.stop_pressed) == (True, False, False)
    assert (inputs.rcd_dc, inputs.rcd_ac, inputs.lock_closed) == (False, False, False)
    assert (inputs.contacts_closed, inputs.phases_closed) == (False, False)
    assert (inputs.plug_ddeg, inputs.board_ddeg, inputs.current_ma) == (250, 250, 0)
    assert (inputs.cp_high_mv, inputs.cp_low_mv, inputs.pp_ohm) == (0, 0, 100000)


@EACH
def test_an_input_is_a_fault_after_its_evidence_and_not_a_millisecond_before(monitor: Monitor) -> None:
    monitors, inputs = Monitors(), Inputs()
    parameters = KernelBoard(fitted=monitor.hardware).kernel.parameters
    for _ in range(3):  # the first time from power-up on
        monitor.fails(inputs)
        found = [monitors.update(inputs, parameters, 1) for _ in range(monitor.evidence_ms + 5)]
        assert found == [0] * (monitor.evidence_ms - 1) + [monitor.bit] * 6
        for _ in range(3):
            monitor.recovers(inputs)
            for _ in range(monitor.evidence_ms):
                assert monitors.update(inputs, parameters, 1) == 0
            monitor.fails(inputs)
            for _ in range(monitor.evidence_ms - 1):
                assert monitors.update(inputs, parameters, 1) == 0
        monitor.recovers(inputs)
        for _ in range(monitor.evidence_ms):
            assert monitors.update(inputs, parameters, 1) == 0


@EACH
def test_an_input_that_chatters_is_a_fault_when_it_is_bad_more_often_than_good(monitor: Monitor) -> None:
    parameters = KernelBoard(fitted=monitor.hardware).kernel.parameters
    for bad_of_10, fails in ((9, True), (6, True), (5, False), (1, False)):
        monitors, inputs = Monitors(), Inputs()
        found = 0
        for number in range(5000):
            (monitor.fails if number % 10 < bad_of_10 else monitor.recovers)(inputs)
            found |= monitors.update(inputs, parameters, 1)
        assert bool(found) == (fails or monitor.evidence_ms <= bad_of_10)


@EACH
def test_an_input_counts_only_where_it_is_fitted(monitor: Monitor) -> None:
    for fitted, found in ((EVERYTHING, monitor.bit), (EVERYTHING & ~monitor.hardware, 0)):
        board = KernelBoard(fitted=fitted).closed()
        monitor.fails(board.inputs)
        board.run(100)
        assert (board.kernel.faults, board.kernel.close) == (found, not found)


def test_all_three_at_once_are_three_faults() -> None:
    board = KernelBoard().closed()
    board.inputs.earth_ok, board.inputs.pen_lost, board.inputs.stop_pressed = False, True, True
    board.run(100)
    assert board.kernel.faults == faults.EARTH | faults.PEN | faults.STOP_BUTTON


@EACH
def test_contacts_are_open_within_100_ms_of_the_input(monitor: Monitor) -> None:
    board = KernelBoard().closed()
    monitor.fails(board.inputs)
    assert board.run_until("contacts open", lambda: not board.contacts and not board.phase_contacts, 101) <= 100


@EACH
def test_neither_time_nor_unplugging_nor_another_car_ends_the_fault_but_a_command_does(monitor: Monitor) -> None:
    board = KernelBoard().closed()
    monitor.fails(board.inputs)
    board.run(100)
    monitor.recovers(board.inputs)
    for level_mv in (LEVEL_C, LEVEL_A, LEVEL_B, LEVEL_C):
        board.level_mv = level_mv
        board.always("fault", lambda: board.kernel.faults == monitor.bit and not board.kernel.close, 3000, tick_ms=10)
    board.kernel.request(REQUEST_CLEAR)
    board.tick(1)
    assert not board.kernel.faults
    board.run_until("charging", lambda: board.kernel.contacts_closed, 3000)
