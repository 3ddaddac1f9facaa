"""One or three phases: free before the first power, afterwards only with the car taken off the pilot wire for a long while."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D
from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.lease import MODE_AC_HLC, MODE_BPT, MODE_DC, REQUEST_CLEAR

X1 = 10000
DEAD_MS = 10_000
OPT_IN = ((params.SWITCH_PHASES, 1), (params.DEAD_MS, DEAD_MS))


class SwitchBoard(KernelBoard):
    """After each tick: the second contactor has been told nothing new while the first one was told to be closed."""

    def tick(self, ms: int = 5) -> None:
        kernel = self.kernel
        before = (kernel.close, kernel.close_phases, kernel.cp_off)
        super().tick(ms)
        if before[0] and kernel.close:
            assert kernel.close_phases == before[1], "changed under load"
        assert not (kernel.close_phases and not kernel.close)
        assert not (kernel.cp_off and (self.contacts or self.phase_contacts or kernel.close)), (
            "pilot wire off under load"
        )


def powered(phases: int, *changes: tuple[int, int], fitted: int = EVERYTHING) -> SwitchBoard:
    """A car that is being charged with so many phases, and PWM that may change again."""
    board = SwitchBoard(*changes, fitted=fitted)
    board.phases = phases
    board.offering()
    board.closed()
    board.run(5000, tick_ms=10)
    assert (board.kernel.phases, board.kernel.close_phases) == (phases, phases == 3)
    return board


def wish(board: KernelBoard, phases: int) -> None:
    """The station's next lease, now."""
    board.phases = phases
    board.grant(board.granted_ma or 0)


# --- before the first power


@pytest.mark.parametrize("stage", ["idle", "offering"])
def test_before_the_first_power_the_number_is_free_and_changes_at_once(stage: str) -> None:
    board = SwitchBoard()
    getattr(board, stage)()
    board.granted_ma = 16000
    for phases in (1, 3, 1):
        wish(board, phases)
        board.tick(1)
        assert board.kernel.phases == phases
        assert not board.kernel.conditions & table.SWITCH
        board.run(500)
        assert board.kernel.phase == table.OFFERING
    board.closed()
    assert (board.kernel.close, board.kernel.close_phases, board.phase_contacts) == (True, False, False)


def test_before_the_first_power_the_number_changes_only_with_proven_zero_current() -> None:
    board = SwitchBoard()
    board.phases = 1
    board.granted_ma = 16000
    board.tick(1)
    board.tick(1)
    board.exactly(999, "the change", lambda: board.kernel.phases == 1)

    board = SwitchBoard().idle()
    board.granted_ma, board.phases, board.stray_ma = 16000, 1, 500
    board.run(5)
    board.always("three phases", lambda: board.kernel.phases == 3, 3000)
    assert not board.kernel.conditions & table.ZERO
    board.stray_ma = 499
    board.exactly(1000, "the change", lambda: board.kernel.phases == 1)


def test_no_car_is_offered_power_with_another_number_than_its_lease_says() -> None:
    board = SwitchBoard()
    board.stray_ma = 500
    board.run(2000)
    board.granted_ma, board.phases, board.level_mv = 16000, 1, LEVEL_C
    board.never("PWM", lambda: board.kernel.duty != X1 or board.kernel.cp_off, 3000)
    board.stray_ma = 499
    board.run_until("charging", lambda: board.contacts, 3000)
    assert (board.kernel.phases, board.kernel.close_phases, board.kernel.cycles) == (1, False, 1)


def test_every_car_may_have_its_number_before_its_own_first_power() -> None:
    board = powered(3)
    board.level_mv = LEVEL_A
    wish(board, 1)
    board.run(1500)
    assert board.kernel.phases == 1
    board.closed()
    assert not board.kernel.close_phases


@pytest.mark.parametrize("phases", [0, 2, 4, -1])
def test_a_lease_that_does_not_say_one_or_three_leaves_the_number_as_it_is(phases: int) -> None:
    for present in (1, 3):
        board = SwitchBoard(*OPT_IN)
        board.phases = present
        board.offering()
        wish(board, phases)
        board.closed()
        assert board.kernel.phases == present
        board.always("charging", lambda board=board: board.kernel.close, 2000)


def test_without_a_second_contactor_there_is_nothing_to_choose() -> None:
    board = SwitchBoard(*OPT_IN, fitted=EVERYTHING & ~params.SECOND)
    board.phases = 1
    board.offering()
    board.closed()
    assert (board.kernel.phases, board.kernel.close_phases) == (3, False)
    board.always("charging", lambda: board.kernel.close and not board.kernel.close_phases, 3000)


def test_a_board_that_is_wired_with_one_phase_never_has_three() -> None:
    board = SwitchBoard(*OPT_IN, (params.PHASES, 1))
    board.phases = 3
    board.offering()
    board.closed()
    assert (board.kernel.phases, board.kernel.close_phases) == (1, False)
    board.always("charging", lambda: board.kernel.close and board.kernel.phases == 1, 3000)


@pytest.mark.parametrize("mode", [MODE_DC, MODE_BPT])
def test_direct_current_has_no_phases(mode: int) -> None:
    board = SwitchBoard(*OPT_IN, (params.DC_MAX_MA, 200_000))
    board.mode, board.phases = mode, 1
    board.offering()
    board.closed()
    assert board.kernel.phases == 3
    board.always("charging", lambda: board.kernel.close, 3000)


# --- after power


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
def test_without_opt_in_the_number_stays_as_long_as_the_car(before: int, after: int) -> None:
    board = powered(before)
    wish(board, after)
    board.always("charging", lambda: board.kernel.close and board.kernel.phases == before, 3000)
    for level_mv in (LEVEL_B, LEVEL_C):
        board.level_mv = level_mv
        board.always("pilot on", lambda: not board.kernel.cp_off and board.kernel.phases == before, 3000)
    assert (board.kernel.close, board.kernel.close_phases) == (True, before == 3)


@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3)])
@pytest.mark.parametrize("car", ["opens S2", "stays in C"])
def test_the_change_goes_through_x1_open_contacts_zero_current_and_a_dead_pilot_wire(
    before: int, after: int, car: str
) -> None:
    board = powered(before, *OPT_IN)
    kernel = board.kernel
    board.load_ma = 15000
    wish(board, after)
    board.exactly(1, "X1", lambda: kernel.duty == X1)
    assert (kernel.phase, kernel.close) == (table.STOPPING, True)
    if car == "opens S2":
        board.run(1500)
        board.level_mv = LEVEL_B
        board.exactly(25, "open", lambda: not kernel.close)
    else:
        board.exactly(6200, "open", lambda: not kernel.close, coarse_ms=5)
    board.run_until("contacts open", lambda: not kernel.contacts_closed and not kernel.phases_closed, 100, tick_ms=1)
    assert (kernel.phase, kernel.phases) == (table.IDLE, before)
    board.exactly(1000, "pilot wire off", lambda: kernel.cp_off)
    assert (kernel.phase, kernel.phases) == (table.SWITCHING, after)
    board.level_mv = LEVEL_B
    for _ in range(DEAD_MS // 10 - 1):
        board.tick(10)
        assert (kernel.cp_off, kernel.duty, kernel.close, kernel.phase) == (True, X1, False, table.SWITCHING)
    board.exactly(10, "pilot wire on", lambda: not kernel.cp_off)
    assert kernel.phase == table.SETTLING
    assert kernel.rcd_test, "it may be another car"
    board.exactly(751, "PWM", lambda: kernel.duty != X1)
    assert kernel.conditions & table.TESTED
    assert not kernel.simplified
    board.level_mv = LEVEL_C
    board.run_until("charging", lambda: kernel.contacts_closed and kernel.phases_closed == (after == 3), 500)
    assert (kernel.phases, kernel.close_phases, kernel.cycles, kernel.faults) == (after, after == 3, 2, 0)
    board.always("charging", lambda: kernel.close, 3000)


def test_a_board_without_test_input_is_not_tested_after_a_change_of_phases() -> None:
    board = powered(3, *OPT_IN, fitted=EVERYTHING & ~params.RCD_TEST)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("wire off", lambda: board.kernel.cp_off, 2000)
    board.run_until("wire on", lambda: not board.kernel.cp_off, 20_000, tick_ms=10)
    assert not board.kernel.rcd_test
    board.never("a test", lambda: board.kernel.rcd_test, 2000)


def test_contacts_that_move_while_the_wire_is_off_keep_the_test_from_beginning() -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("wire off", lambda: board.kernel.cp_off, 2000)
    board.run(DEAD_MS - 10, tick_ms=10)
    board.welded = board.contacts = True
    board.tick(10)
    assert not board.kernel.cp_off
    assert board.kernel.contacts_closed
    assert not board.kernel.rcd_test
    board.never("a test", lambda: board.kernel.rcd_test, 1000)
    assert board.kernel.faults & (faults.WELDED | faults.MIRROR)


def test_a_change_that_a_trip_has_ended_is_no_reason_to_test_and_the_next_session_is() -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("wire off", lambda: board.kernel.cp_off, 2000)
    board.rcd_follows = False
    board.inputs.rcd_dc = True
    board.tick()
    assert (board.kernel.phase, board.kernel.cp_off) == (table.SHOWING_F, False)
    assert not board.kernel.rcd_test, "the trip is real"
    board.never("a test", lambda: board.kernel.rcd_test, 5000)
    assert board.kernel.faults == faults.RESIDUAL_DC
    board.inputs.rcd_dc = False
    board.rcd_follows = True
    board.run(2000)
    board.kernel.request(REQUEST_CLEAR)
    board.tick()
    assert board.kernel.faults == 0
    board.run_until("a test", lambda: board.kernel.rcd_test, 1000)


def test_the_dead_time_is_the_parameter_s_and_can_be_made_longer_only() -> None:
    board = powered(3, (params.SWITCH_PHASES, 1), (params.DEAD_MS, 60_000))
    assert not board.kernel.parameters.narrow(params.DEAD_MS, 59_999)
    assert board.kernel.parameters.narrow(params.DEAD_MS, 70_000)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("pilot wire off", lambda: board.kernel.cp_off, 2000)
    board.exactly(70_000, "pilot wire on", lambda: not board.kernel.cp_off, coarse_ms=40)


def test_a_car_that_has_had_power_and_waits_in_b_is_switched_too() -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    board.run(3000)
    assert board.kernel.phase == table.OFFERING
    wish(board, 1)
    board.exactly(1, "X1", lambda: board.kernel.duty == X1)
    assert board.kernel.phases == 3
    board.exactly(1, "pilot wire off", lambda: board.kernel.cp_off)
    assert board.kernel.phases == 1


def test_a_car_that_cannot_be_served_is_switched_when_it_can() -> None:
    board = powered(3, *OPT_IN, fitted=EVERYTHING & ~params.VENTILATION)
    board.level_mv = LEVEL_D
    wish(board, 1)
    board.never("pilot wire off", lambda: board.kernel.cp_off, 3000)
    assert (board.kernel.phase, board.kernel.phases, board.kernel.faults) == (table.IDLE, 3, 0)
    assert board.kernel.conditions & table.SWITCH
    assert board.kernel.conditions & table.ZERO
    board.level_mv = LEVEL_B
    board.exactly(25, "pilot wire off", lambda: board.kernel.cp_off)


@pytest.mark.parametrize("which", ["contacts", "phase_contacts"])
def test_nothing_is_switched_before_both_contactors_are_open(which: str) -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("open command", lambda: not board.kernel.close, 100, tick_ms=1)
    for _ in range(200):
        board.contacts, board.phase_contacts, board.welded = which == "contacts", which != "contacts", True
        board.tick(1)
        assert board.kernel.phase == table.IDLE
    board.welded = board.contacts = board.phase_contacts = False
    board.exactly(1000, "pilot wire off", lambda: board.kernel.cp_off)


def test_a_current_that_does_not_vanish_blocks_the_change() -> None:
    board = powered(3, *OPT_IN)
    board.load_ma = board.stray_ma = 500
    board.level_mv = LEVEL_B
    wish(board, 1)

    def wrong() -> bool:
        return (
            board.kernel.cp_off
            or board.kernel.phases != 3
            or (board.kernel.phase == table.IDLE and board.kernel.duty != X1)
        )

    board.never("a change", wrong, 5000)
    assert (board.kernel.phase, board.kernel.faults) == (table.IDLE, 0)
    assert board.kernel.conditions & table.SWITCH
    board.stray_ma = 499
    board.run(999, tick_ms=1)
    board.stray_ma = 500
    board.tick(1)
    board.stray_ma = 499
    board.exactly(1000, "pilot wire off", lambda: board.kernel.cp_off)


def test_where_no_current_is_measured_open_contacts_prove_it() -> None:
    board = powered(3, *OPT_IN, fitted=EVERYTHING & ~params.CURRENT)
    board.load_ma = board.stray_ma = 60_000
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("contacts open", lambda: not board.contacts and not board.phase_contacts, 100, tick_ms=1)
    # The sample that reported open stands for its own millisecond.
    board.exactly(999, "pilot wire off", lambda: board.kernel.cp_off)


def test_a_wish_that_is_taken_back_in_time_changes_nothing() -> None:
    board = powered(3, *OPT_IN)
    wish(board, 1)
    board.tick(1)
    board.run(1000)
    assert board.kernel.phase == table.STOPPING
    wish(board, 3)
    board.exactly(4000, "PWM", lambda: board.kernel.duty != X1)  # 5 s after X1
    assert (board.kernel.phase, board.kernel.cycles, board.kernel.phases) == (table.CLOSED, 1, 3)


def test_while_it_is_wished_charging_is_not_resumed() -> None:
    board = powered(3, *OPT_IN)
    wish(board, 1)
    board.always("X1", lambda: board.kernel.duty == X1, 6500)
    assert not board.contacts


@pytest.mark.parametrize("ends", ["withdrawn", "expired"])
def test_a_permission_that_ends_on_the_way_leaves_the_change_complete_and_the_car_without_power(ends: str) -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("pilot wire off", lambda: board.kernel.cp_off, 2000, tick_ms=1)
    if ends == "withdrawn":
        board.withdraw()
    board.granted_ma = None
    board.exactly(DEAD_MS, "pilot wire on", lambda: not board.kernel.cp_off, coarse_ms=10)
    board.never("PWM", lambda: board.kernel.duty != X1, 2000)
    assert (board.kernel.phase, board.kernel.phases) == (table.IDLE, 1)


def test_a_car_that_has_left_meanwhile_is_noticed_afterwards() -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("pilot wire off", lambda: board.kernel.cp_off, 2000)
    board.level_mv = LEVEL_A
    board.run_until("pilot wire on", lambda: not board.kernel.cp_off, DEAD_MS + 10, tick_ms=10)
    board.never("PWM", lambda: board.kernel.duty != X1, 2000)
    assert (board.kernel.pilot_state, board.kernel.phase) == (1, table.IDLE)
    # A new car: the number is free again.
    wish(board, 3)
    board.tick()
    assert (board.kernel.phases, board.kernel.cp_off) == (3, False)


@pytest.mark.parametrize("when", ["dead", "settling"])
@pytest.mark.parametrize(
    ("bit", "name", "value", "duty"),
    [
        (faults.STOP_BUTTON, "stop_pressed", True, 0),
        (faults.PLUG_HOT, "plug_ddeg", 900, X1),
        (faults.CABLE, "pp_ohm", 0, X1),
    ],
)
def test_a_fault_on_the_way_ends_the_change_at_once(when: str, bit: int, name: str, value: int, duty: int) -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("pilot wire off", lambda: board.kernel.cp_off, 2000)
    if when == "settling":
        board.run(DEAD_MS - 500, tick_ms=10)
    if bit == faults.CABLE:
        board.run(500 - 100 if when == "dead" else 0)
    setattr(board.inputs, name, value)
    board.run_until("the fault", lambda: board.kernel.faults, 4000)
    assert board.kernel.faults == bit
    assert (board.kernel.cp_off, board.kernel.duty, board.kernel.close) == (False, duty, False)
    board.run(500)
    assert board.kernel.phase == table.FAULTED


def test_with_digital_communication_the_number_is_free_before_the_first_power_and_fixed_after_it() -> None:
    board = SwitchBoard(*OPT_IN)
    board.mode, board.phases = MODE_AC_HLC, 1
    board.offering()
    board.closed()
    assert board.kernel.phases == 1
    wish(board, 3)
    board.always("one phase, charging", lambda: board.kernel.close and board.kernel.phases == 1, 2000)
    board.level_mv = LEVEL_B
    board.always("one phase, pilot wire on", lambda: not board.kernel.cp_off and board.kernel.phases == 1, 2000)


# --- a board that is narrowed


def test_narrowed_to_one_phase_while_charging_with_three_nothing_moves_under_load() -> None:
    board = powered(3)
    assert board.kernel.parameters.narrow(params.PHASES, 1)
    board.always("both", lambda: board.kernel.close and board.kernel.close_phases and board.kernel.phases == 3, 3000)
    board.level_mv = LEVEL_B
    board.run(500)
    assert not board.kernel.close_phases
    board.level_mv = LEVEL_C
    board.run_until("charging", lambda: board.kernel.contacts_closed, 3000)
    board.always("one phase", lambda: not board.kernel.close_phases and board.kernel.phases == 1, 1000)


def test_narrowed_to_one_phase_before_a_car_it_has_one() -> None:
    board = SwitchBoard()
    assert board.kernel.parameters.narrow(params.PHASES, 1)
    board.phases = 3
    board.offering()
    board.closed()
    assert (board.kernel.phases, board.kernel.close_phases) == (1, False)


def test_narrowed_to_no_switching_a_change_under_way_is_finished_and_no_other_begins() -> None:
    board = powered(3, *OPT_IN)
    board.level_mv = LEVEL_B
    wish(board, 1)
    board.run_until("pilot wire off", lambda: board.kernel.cp_off, 2000)
    assert board.kernel.parameters.narrow(params.SWITCH_PHASES, 0)
    board.level_mv = LEVEL_C
    board.run_until("charging", lambda: board.kernel.contacts_closed, DEAD_MS + 3000, tick_ms=10)
    assert board.kernel.phases == 1
    wish(board, 3)
    board.always("charging", lambda: board.kernel.close and board.kernel.phases == 1, 2000)
