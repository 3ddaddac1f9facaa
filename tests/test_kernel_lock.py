"""The socket's lock: three tries, no movement while there can be power, no power without it."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E
from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.inputs import OPEN_OHM
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR, REQUEST_UNLOCK
from pilotwire.firmware.kernel.lock import Lock

X1 = 10000
ONE_TRY = [(True, 1000)]
THREE_TRIES = [(True, 1000), (False, 500), (True, 1000), (False, 500), (True, 1000)]
"""Drive and for how long, seen from the wish: True is the wanted direction."""
SEEN = [(True, 999), *THREE_TRIES[1:]]
"""The same, from the end of the tick in which the wish arose."""


def follow(lock: Lock, closed: bool, may_move: bool, stages: list[tuple[bool, int]]) -> None:
    """Give a feedback that never changes; the drive must go through the stages, and the failure come after the last one."""
    for number, (wanted, ms) in enumerate(stages):
        for tick in range(ms):
            assert (lock.drive == lock.wanted) == wanted, (number, tick)
            assert not lock.failed, (number, tick)
            lock.update(closed, may_move, 1)
    assert lock.failed
    assert lock.drive == lock.wanted


def wanting(wanted: bool) -> Lock:
    """A lock in the other position, which has just been told."""
    lock = Lock()
    if not wanted:
        lock.want(True)
        lock.update(True, True, 1)
    lock.want(wanted)
    return lock


def test_a_lock_starts_open_and_wants_nothing() -> None:
    lock = Lock()
    assert (lock.drive, lock.wanted, lock.failed, lock.holds) == (False, False, False, False)
    lock.update(False, True, 5)
    assert (lock.drive, lock.failed, lock.holds) == (False, False, False)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_lock_that_does_not_move_is_tried_three_times_and_has_failed_after_4_s(wanted: bool) -> None:
    follow(wanting(wanted), not wanted, True, THREE_TRIES)


@pytest.mark.parametrize("wanted", [True, False])
def test_while_it_must_not_move_there_is_one_try_only(wanted: bool) -> None:
    lock = wanting(wanted)
    follow(lock, not wanted, False, ONE_TRY)
    for _ in range(3000):
        lock.update(not wanted, False, 1)
        assert lock.drive == wanted
        assert lock.failed


def test_the_tries_go_on_when_it_may_move_again() -> None:
    lock = wanting(True)
    follow(lock, False, False, ONE_TRY)
    for wanted, ms in ((True, 1000), *THREE_TRIES[1:]):
        for _ in range(ms):
            assert lock.drive == wanted
            lock.update(False, True, 1)
            assert lock.failed, "it has failed until it holds"
    lock.update(True, True, 1)
    assert (lock.failed, lock.holds) == (False, True)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("after_ms", [1, 999, 1200, 3999])
def test_a_lock_that_moves_in_time_has_not_failed_and_has_three_tries_again(wanted: bool, after_ms: int) -> None:
    lock = wanting(wanted)
    for _ in range(after_ms):
        lock.update(not wanted, True, 1)
    lock.update(wanted, True, 1)
    assert (lock.drive, lock.failed, lock.holds) == (wanted, False, wanted)
    follow(lock, not wanted, True, THREE_TRIES)


def test_a_lock_holds_only_while_it_is_closed_and_wanted() -> None:
    lock = wanting(True)
    for closed in (True, False, True):
        lock.update(closed, True, 1)
        assert lock.holds == closed
    lock.want(False)
    lock.update(True, True, 1)
    assert not lock.holds


def test_a_wish_that_is_repeated_starts_nothing_anew() -> None:
    lock = wanting(True)
    for _ in range(999):
        lock.want(True)
        lock.update(False, False, 1)
        assert not lock.failed
    lock.want(True)
    lock.update(False, False, 1)
    assert lock.failed


def test_a_lock_that_is_closed_at_power_up_is_opened_by_three_tries_too() -> None:
    follow(Lock(), True, True, THREE_TRIES)


def test_another_wish_starts_anew() -> None:
    lock = wanting(True)
    for _ in range(4100):
        lock.update(False, True, 1)
    assert lock.failed
    lock.want(False)
    assert (lock.failed, lock.drive) == (False, False)
    follow(lock, True, True, THREE_TRIES)


# --- the kernel with it


def jammed(board: KernelBoard, closed: bool) -> KernelBoard:
    board.lock_follows, board.inputs.lock_closed = False, closed
    return board


def test_the_plug_is_locked_as_soon_as_car_and_cable_are_known_and_before_any_permission() -> None:
    board = KernelBoard()
    board.run(500)
    assert not board.kernel.lock
    board.level_mv = LEVEL_B
    board.exactly(50, "lock", lambda: board.kernel.lock)
    board.run(2000)
    assert (board.kernel.phase, board.kernel.lock, board.kernel.faults) == (table.IDLE, True, 0)
    assert board.kernel.conditions & table.LOCKED


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C, LEVEL_D])
def test_the_plug_is_locked_in_every_state_of_a_car(level_mv: int) -> None:
    board = KernelBoard()
    board.run(500)
    board.level_mv = level_mv
    board.run(500)
    assert board.kernel.lock


def test_without_a_readable_cable_there_is_nothing_to_lock() -> None:
    board = KernelBoard()
    board.inputs.pp_ohm = OPEN_OHM
    board.level_mv = LEVEL_B
    board.never("lock", lambda: board.kernel.lock, 5000)


def test_there_is_no_pwm_before_the_lock_holds() -> None:
    board = jammed(KernelBoard(), False)
    board.level_mv, board.granted_ma = LEVEL_C, 16000
    board.never("PWM", lambda: board.kernel.duty != X1 or board.kernel.conditions & table.LOCKED, 900)
    board.inputs.lock_closed = True
    board.exactly(1, "PWM", lambda: board.kernel.duty != X1)
    assert board.kernel.conditions & table.LOCKED


def test_a_lock_that_never_closes_is_a_fault_after_three_tries() -> None:
    board = jammed(KernelBoard(), False)
    board.run(500)
    board.level_mv, board.granted_ma = LEVEL_B, 16000
    board.exactly(50, "the first try", lambda: board.kernel.lock)
    for wanted, ms in SEEN[:-1]:
        board.exactly(ms, "the next stage", lambda wanted=wanted: board.kernel.lock != wanted)
    board.exactly(1000, "the fault", lambda: board.kernel.faults)
    assert (board.kernel.faults, board.kernel.phase) == (faults.LOCK, table.FAULTED)


def test_a_lock_that_opens_before_the_contacts_close_takes_the_pwm_away_at_once() -> None:
    board = KernelBoard().offering()
    jammed(board, False)
    board.tick(1)
    assert (board.kernel.phase, board.kernel.duty, board.kernel.faults) == (table.IDLE, X1, 0)
    board.level_mv = LEVEL_C
    board.never("close", lambda: board.kernel.close, 3000)


def test_a_lock_lost_while_charging_stops_gracefully_and_is_not_moved() -> None:
    board = KernelBoard().closed()
    jammed(board, False)
    board.exactly(1000, "X1", lambda: board.kernel.duty == X1)
    assert (board.kernel.faults, board.kernel.phase) == (faults.LOCK, table.STOPPING)
    for _ in range(6200):
        assert board.kernel.close
        assert board.kernel.lock, "a new try would open it under load"
        board.tick(1)
    assert not board.kernel.close


def test_a_lock_lost_for_less_than_a_second_while_charging_is_no_fault() -> None:
    board = KernelBoard().closed()
    jammed(board, False)
    board.run(999, tick_ms=1)
    board.lock_follows = True
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults, 3000)


def test_unplugged_it_is_opened_once_the_contacts_are_proven_open() -> None:
    board = KernelBoard().closed()
    board.contact_delay_ms = 150
    board.level_mv = LEVEL_A
    board.run_until("unlocked", lambda: not board.kernel.lock, 1000, tick_ms=1)
    assert not board.kernel.contacts_closed
    board.run(1000)
    assert not board.kernel.faults


@pytest.mark.parametrize("which", ["contacts", "phase_contacts"])
def test_the_plug_stays_locked_while_either_contactor_is_welded(which: str) -> None:
    board = KernelBoard().closed()
    board.level_mv = LEVEL_A
    board.order = REQUEST_UNLOCK
    board.welded = True
    for _ in range(600):
        board.contacts, board.phase_contacts = which == "contacts", which == "phase_contacts"
        board.tick()
        assert board.kernel.lock
    board.order = 0
    board.welded = board.contacts = board.phase_contacts = False
    board.exactly(1, "unlocked", lambda: not board.kernel.lock)


def test_a_shorted_pilot_wire_lets_go_of_the_plug_and_a_missing_one_does_not() -> None:
    board = KernelBoard().idle()
    board.level_mv = LEVEL_E
    board.exactly(50, "unlocked", lambda: not board.kernel.lock)
    for level_mv in (-12000, -5000):
        board = KernelBoard().idle()
        board.level_mv = level_mv
        board.always("locked", lambda board=board: board.kernel.lock, 3000)


@pytest.mark.parametrize("level_mv", [-12000, -5000])
def test_a_plug_that_a_shorted_wire_has_let_go_is_not_locked_again_before_a_car_is_seen(level_mv: int) -> None:
    board = KernelBoard().idle()
    board.level_mv = LEVEL_E
    board.exactly(50, "unlocked", lambda: not board.kernel.lock)
    board.level_mv = level_mv
    board.never("locked", lambda: board.kernel.lock, 1000)
    board.level_mv = LEVEL_B
    board.exactly(50, "locked", lambda: board.kernel.lock)


@pytest.mark.parametrize("stage", ["idle", "offering"])
def test_on_request_the_plug_is_let_go_and_there_is_no_power_before_it_has_been_replugged(stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    board.kernel.request(REQUEST_UNLOCK)
    board.exactly(1, "unlocked", lambda: not board.kernel.lock)
    board.granted_ma, board.level_mv = 16000, LEVEL_C
    board.never("PWM or lock", lambda: board.kernel.duty != X1 or board.kernel.lock, 5000)
    assert not board.kernel.faults
    board.level_mv = LEVEL_A
    board.run(200)
    board.level_mv = LEVEL_C
    board.run_until("charging", lambda: board.kernel.contacts_closed, 3000)
    assert board.kernel.lock


@pytest.mark.parametrize("stage", ["closed", "stopping"])
def test_a_request_to_unlock_while_contacts_are_closed_is_ignored_and_not_kept(stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    board.order = REQUEST_UNLOCK
    board.always("locked", lambda: board.kernel.lock and board.contacts, 1000)
    board.order = 0
    board.withdraw()
    board.level_mv = LEVEL_B
    board.run(1000)
    assert not board.contacts
    board.always("locked", lambda: board.kernel.lock, 2000)


def test_a_request_between_the_command_to_close_and_the_closing_is_too_late() -> None:
    board = KernelBoard().offering()
    board.contact_delay_ms = 200
    board.level_mv = LEVEL_C
    board.run_until("close command", lambda: board.kernel.close, 1000, tick_ms=1)
    board.order = REQUEST_UNLOCK
    board.always("locked", lambda: board.kernel.lock and not board.contacts, 190, tick_ms=1)
    board.order = 0
    board.run(500)
    assert (board.contacts, board.kernel.lock, board.kernel.faults) == (True, True, 0)


def test_a_request_in_the_tick_that_opens_is_too_early() -> None:
    board = KernelBoard().closed()
    board.order = REQUEST_UNLOCK
    board.level_mv = LEVEL_B
    board.run_until("open command", lambda: not board.kernel.close, 100, tick_ms=1)
    assert board.kernel.lock
    board.run_until("unlocked", lambda: not board.kernel.lock, 100, tick_ms=1)
    assert not board.contacts


def test_a_lock_that_does_not_open_is_a_fault_after_4_s_and_clears_when_it_opens() -> None:
    board = KernelBoard().idle()
    jammed(board, True)
    board.level_mv = LEVEL_A
    board.exactly(50, "unlock", lambda: not board.kernel.lock)
    for wanted, ms in SEEN[:-1]:
        board.exactly(ms, "the next stage", lambda wanted=wanted: board.kernel.lock == wanted)
    board.exactly(1000, "the fault", lambda: board.kernel.faults)
    assert board.kernel.faults == faults.LOCK
    board.always("fault", lambda: board.kernel.faults, 3000)
    board.lock_follows = True
    board.exactly(1000, "cleared", lambda: not board.kernel.faults)


def test_a_lock_that_closes_at_last_clears_by_command() -> None:
    board = jammed(KernelBoard().idle(), False)
    board.run(5000)
    assert board.kernel.faults == faults.LOCK
    board.order = REQUEST_CLEAR
    board.always("fault", lambda: board.kernel.faults, 3000)
    board.inputs.lock_closed = True
    board.exactly(1000, "cleared", lambda: not board.kernel.faults)


def test_a_board_without_a_lock_needs_none() -> None:
    board = jammed(KernelBoard(fitted=EVERYTHING & ~params.LOCK), False)
    board.closed()
    assert board.kernel.conditions & table.LOCKED
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults and not board.kernel.lock, 5000)
    board.order = REQUEST_UNLOCK
    board.always("charging", lambda: board.kernel.close, 1000)
