"""Contactors and their mirror contacts: welded, not closing, lost, moved without a command; bounces; rest; cycles."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, KernelBench
from kernel_board import KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.contactor import Feedback

BOTH = ("contacts", "phase_contacts")
SECOND = ((params.FITTED, params.SECOND),)


def fed(*samples: tuple[bool, bool, int]) -> Feedback:
    """A feedback after (command, closed, for how many ms), none of which may prove anything."""
    feedback = Feedback()
    for command, closed, ms in samples:
        for _ in range(ms):
            assert feedback.update(command, closed, 1) == 0
    return feedback


def proof(feedback: Feedback, command: bool, closed: bool, after_ms: int) -> int:
    """What is proven in the last of after_ms milliseconds; nothing may be before."""
    for _ in range(after_ms - 1):
        assert feedback.update(command, closed, 1) == 0
    return feedback.update(command, closed, 1)


# --- one contactor alone


def test_contacts_closed_at_power_up_are_welded_after_250_ms() -> None:
    assert proof(Feedback(), False, True, 250) == faults.WELDED


def test_contacts_that_do_not_open_are_welded_after_250_ms() -> None:
    assert proof(fed((True, True, 100)), False, True, 250) == faults.WELDED


def test_contacts_that_do_not_close_are_found_after_250_ms() -> None:
    assert proof(fed((False, False, 100)), True, False, 250) == faults.NOT_CLOSED


def test_contacts_that_follow_in_249_ms_are_good() -> None:
    fed((False, False, 10), (True, False, 249), (True, True, 10), (False, True, 249), (False, False, 10))


def test_contacts_that_had_closed_and_fall_are_found_after_20_ms() -> None:
    assert proof(fed((True, True, 1)), True, False, 20) == faults.NOT_CLOSED


def test_a_mirror_contact_that_closes_without_a_command_is_found_after_20_ms() -> None:
    assert proof(fed((False, False, 1)), False, True, 20) == faults.MIRROR
    assert proof(fed((True, True, 10), (False, True, 20), (False, False, 1)), False, True, 20) == faults.MIRROR


@pytest.mark.parametrize("command", [True, False])
def test_bounces_shorter_than_20_ms_are_forgiven_however_many_there_are(command: bool) -> None:
    feedback = fed((command, command, 1))
    for _ in range(10):
        for closed, ms in ((not command, 19), (command, 1)):
            for _ in range(ms):
                assert feedback.update(command, closed, 1) == 0


def test_a_tick_of_20_ms_is_evidence_of_20_ms() -> None:
    feedback = fed((True, True, 1))
    assert feedback.update(True, False, 19) == 0
    assert feedback.update(True, False, 1) == faults.NOT_CLOSED


@pytest.mark.parametrize("command", [True, False])
def test_a_proof_lasts_as_long_as_its_cause_and_a_new_command_starts_anew(command: bool) -> None:
    feedback = fed((command, command, 1))
    bit = proof(feedback, command, not command, 20)
    for _ in range(1000):
        assert feedback.update(command, not command, 1) == bit
    assert feedback.update(not command, not command, 1) == 0
    assert feedback.update(command, not command, 1) == 0
    slow = faults.NOT_CLOSED if command else faults.WELDED
    assert proof(feedback, command, not command, 249) == slow


def test_a_change_of_the_command_does_not_inherit_evidence() -> None:
    feedback = fed((True, False, 249), (False, True, 249))
    assert feedback.update(False, True, 1) == faults.WELDED


def test_a_weld_that_stands_for_weeks_keeps_its_timer_a_small_integer() -> None:
    feedback = Feedback()
    for _ in range(8):
        assert feedback.update(False, True, 1 << 28) == faults.WELDED
        assert max(vars(feedback).values()) < 1 << 30, "above that each tick would allocate"


# --- the kernel with them


def two(*changes: tuple[int, int]) -> KernelBench:
    """A kernel with two contactors."""
    return KernelBench(*SECOND, *changes)


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("ending", ["lease", "car"])
def test_each_contactor_that_stays_closed_is_welded(which: str, ending: str) -> None:
    bench = two().charging()
    bench.run(100)
    if ending == "car":
        bench.level_mv = LEVEL_B
    else:
        bench.granted_ma = None
    bench.run_until("open command", lambda: not bench.kernel.close, 8000)
    for _ in range(249):
        bench.contacts, bench.phase_contacts = which == "contacts", which == "phase_contacts"
        bench.welded = True
        bench.tick(1)
        assert not bench.kernel.faults
    bench.tick(1)
    assert bench.kernel.faults == faults.WELDED
    assert bench.kernel.phase == table.SHOWING_F
    assert not bench.kernel.conditions & table.PROVEN_OPEN


@pytest.mark.parametrize("which", BOTH)
def test_each_contactor_that_does_not_close_is_found_and_everything_opens(which: str) -> None:
    bench = two()
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.run_until("close", lambda: bench.kernel.close, 2000, tick_ms=1)
    for _ in range(249):
        bench.contacts, bench.phase_contacts = which != "contacts", which != "phase_contacts"
        bench.stuck_open = True
        bench.tick(1)
        assert (bench.kernel.faults, bench.kernel.close, bench.kernel.close_phases) == (0, True, True)
    bench.tick(1)
    assert (bench.kernel.faults, bench.kernel.close, bench.kernel.close_phases) == (faults.NOT_CLOSED, False, False)


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("stage", ["closed", "stopping"])
def test_each_contactor_that_falls_under_a_standing_command_is_found_after_20_ms(which: str, stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    setattr(board, which, False)
    board.stuck_open = True
    board.exactly(20, "open", lambda: not board.kernel.close and not board.kernel.close_phases)
    assert board.kernel.faults == faults.NOT_CLOSED


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("stage", ["idle", "offering"])
def test_each_contactor_that_closes_without_a_command_is_found_after_20_ms(which: str, stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    setattr(board, which, True)
    board.welded = True
    board.exactly(20, "the fault", lambda: board.kernel.faults)
    assert board.kernel.faults == faults.MIRROR


@pytest.mark.parametrize("which", BOTH)
def test_nothing_closes_in_the_very_tick_in_which_a_contact_reports_closed(which: str) -> None:
    board = KernelBoard().offering()
    board.level_mv = LEVEL_C
    board.run(249, tick_ms=1)
    setattr(board, which, True)
    board.welded = True
    board.never("close", lambda: board.kernel.close, 18, tick_ms=1)
    assert not board.kernel.conditions & table.PROVEN_OPEN
    board.welded = False
    setattr(board, which, False)
    board.exactly(1, "close", lambda: board.kernel.close)


def test_the_second_contactor_that_closes_on_its_own_while_one_phase_is_charged_is_found() -> None:
    board = KernelBoard()
    board.phases = 1
    board.offering()
    board.closed()
    assert not board.kernel.close_phases
    board.phase_contacts, board.welded = True, True
    board.exactly(20, "open", lambda: not board.kernel.close)
    assert board.kernel.faults == faults.MIRROR


def test_a_board_without_second_contactor_ignores_its_contact_and_does_not_drive_it() -> None:
    bench = KernelBench().charging()
    bench.phase_contacts, bench.welded = True, True
    bench.run(1000)
    assert (bench.kernel.faults, bench.kernel.close, bench.kernel.close_phases) == (0, True, False)
    assert (bench.kernel.phases, bench.kernel.phases_closed) == (3, False)


def test_both_contactors_are_commanded_and_reported_together() -> None:
    bench = two()
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    kernel = bench.kernel
    for _ in range(200):
        bench.tick()
        assert kernel.close == kernel.close_phases
    assert (kernel.contacts_closed, kernel.phases_closed) == (True, True)
    bench.level_mv = LEVEL_B
    for _ in range(100):
        bench.tick()
        assert kernel.close == kernel.close_phases
    assert (kernel.contacts_closed, kernel.phases_closed) == (False, False)


def test_every_closing_is_counted_and_nothing_else() -> None:
    bench = KernelBench()
    for cycles in range(1, 4):
        bench.charging()
        bench.run(100)
        assert bench.kernel.cycles == cycles
        bench.level_mv = LEVEL_B
        bench.run(300)
        assert bench.kernel.cycles == cycles


# --- rest


@pytest.mark.parametrize("min_off_ms", [0, 3000, 60000])
def test_after_power_up_the_contactor_rests_first(min_off_ms: int) -> None:
    bench = KernelBoard((params.MIN_OFF_MS, min_off_ms), fitted=0)
    bench.tick(1)
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.exactly(max(min_off_ms, 50), "PWM", lambda: bench.kernel.duty != 10000, coarse_ms=40)


def test_after_an_opening_the_contactor_rests_as_long_as_the_parameter_says() -> None:
    board = KernelBoard((params.MIN_OFF_MS, 10000), fitted=0)
    board.run(10000)
    board.closed()
    board.level_mv = LEVEL_B
    board.run_until("contacts open", lambda: not board.kernel.contacts_closed, 200, tick_ms=1)
    board.level_mv = LEVEL_C
    board.run(400)
    assert (board.kernel.phase, board.kernel.duty) == (table.IDLE, 10000), "asking before that ends the offer"
    # The sample that reported open stands for its own millisecond.
    board.exactly(9999 - 400, "PWM", lambda: board.kernel.duty != 10000, coarse_ms=5)


def test_a_car_that_only_waits_in_b_is_offered_power_while_the_contactor_rests() -> None:
    board = KernelBoard((params.MIN_OFF_MS, 10000), fitted=0)
    board.run(10000)
    board.closed()
    board.level_mv = LEVEL_B
    board.always("PWM", lambda: board.kernel.duty != 10000, 5000)


def test_the_rest_after_a_fault_ends_with_the_next_closing() -> None:
    board = KernelBoard((params.MIN_OFF_MS, 1000), (params.FAULT_OFF_MS, 8000), fitted=params.STOP_BUTTON)
    board.run(1000)
    board.closed()
    board.inputs.stop_pressed = True
    board.run(100)
    board.inputs.stop_pressed = False
    board.level_mv = LEVEL_A
    board.run(1500)
    board.order = 1
    board.run(10)
    board.order = 0
    board.level_mv = LEVEL_C
    assert board.run_until("close", lambda: board.kernel.close, 9000) > 6000
    board.run(500)
    board.level_mv = LEVEL_A
    board.run(1500)
    board.level_mv = LEVEL_C
    assert board.run_until("close", lambda: board.kernel.close, 9000) < 1000
