"""How each fault clears: by its own rule, with its cause and all power away for a second, and never by anything less."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, block
from kernel_board import KernelBoard
from kernel_causes import CAUSES, Cause, contacts_fall, nothing, short
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.clearing import Clearing
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR

BY_ITSELF, UNPLUGGING, COMMAND = "by itself", "unplugging", "a command"
WAYS = (BY_ITSELF, UNPLUGGING, COMMAND)

# Which ways lead out of each fault, by its number.
CLEARED_BY = {
    faults.PILOT_SHORT: WAYS,
    faults.PILOT_INVALID: WAYS,
    faults.DIODE: (UNPLUGGING,),
    faults.NOT_CLOSED: (UNPLUGGING, COMMAND),
    faults.WELDED: (UNPLUGGING, COMMAND),
    faults.MIRROR: (UNPLUGGING, COMMAND),
    faults.OVERRUN: WAYS,
    faults.PARAMETERS: (),
    faults.CABLE: WAYS,
    faults.LOCK: (UNPLUGGING, COMMAND),
    faults.RESIDUAL_DC: (UNPLUGGING, COMMAND),
    faults.RESIDUAL_AC: (UNPLUGGING, COMMAND),
    faults.RESIDUAL_TEST: (COMMAND,),
    faults.EARTH: (COMMAND,),
    faults.PEN: (COMMAND,),
    faults.STOP_BUTTON: (COMMAND,),
    faults.PLUG_HOT: WAYS,
    faults.BOARD_HOT: WAYS,
    faults.SENSOR: WAYS,
    faults.OVER_CURRENT: (UNPLUGGING, COMMAND),
    faults.STATION_STOP: (UNPLUGGING, COMMAND),
}


def weld(board: KernelBoard) -> None:
    board.welded = True
    board.level_mv = LEVEL_B


def free_the_weld(board: KernelBoard) -> None:
    board.welded = board.contacts = board.phase_contacts = False


def stuck(board: KernelBoard) -> None:
    board.stuck_open = True
    board.granted_ma, board.level_mv = 16000, LEVEL_C


def lock_jams_open(board: KernelBoard) -> None:
    board.lock_follows, board.inputs.lock_closed = False, False


def lock_works(board: KernelBoard) -> None:
    board.lock_follows = True


def test_does_not_trip(board: KernelBoard) -> None:
    board.rcd_follows = False
    board.level_mv = LEVEL_A
    board.run(200)
    board.level_mv = LEVEL_B  # a new car: a new test


test_does_not_trip.__test__ = False  # type: ignore[attr-defined]

# What the table of causes lacks or says with closed contacts; here every fault is found with contacts that are or come open.
MORE = (
    ("closed", Cause(faults.WELDED, weld, free_the_weld, None, None, 275, None)),
    ("idle", Cause(faults.NOT_CLOSED, stuck, nothing, 1, None, None, None, lasts=False)),
    ("idle", Cause(faults.RESIDUAL_TEST, test_does_not_trip, nothing, 1, None, None, None, lasts=False)),
)


# No car, no cable; no plug, no lock; and a pilot wire that shows A is no longer faulty.
ENDED_BY_UNPLUGGING = (faults.CABLE, faults.LOCK, faults.PILOT_SHORT, faults.PILOT_INVALID)


def stage_of(cause: Cause) -> str:
    """The phase with the least going on in which this cause is a fault."""
    return next(stage for stage in ("idle", "offering", "closed") if getattr(cause, stage) is not None)


CASES = (*MORE, *((stage_of(cause), cause) for cause in CAUSES if cause.begin is not contacts_fall))
IDS = [cause.begin.__name__ for _, cause in CASES]
LASTING = [case for case in CASES if case[1].lasts]
LASTING_IDS = [cause.begin.__name__ for _, cause in LASTING]


def found(stage: str, cause: Cause) -> KernelBoard:
    """A board on which the fault has just been found, in its first tick; its cause still there if it can last."""
    board = KernelBoard()
    getattr(board, stage)()
    cause.begin(board)
    board.run_until("the fault", lambda: board.kernel.faults, 8000)
    assert board.kernel.faults == cause.bit, faults.names(board.kernel.faults)
    board.granted_ma = None
    return board


def take(board: KernelBoard, *ways: str) -> None:
    """From now on: unplug, and repeat the command in each tick."""
    if UNPLUGGING in ways:
        board.level_mv = LEVEL_A
    if COMMAND in ways:
        board.order = REQUEST_CLEAR


def ended(stage: str, cause: Cause, *ways: str) -> tuple[KernelBoard, int]:
    """The cause is over, `ways` are taken; returns the board and how long the fault has still to stay."""
    board = found(stage, cause)
    kernel = board.kernel
    if not cause.lasts:
        # Over with the reaction. Contacts that were closed open first.
        board.run_until("contacts open", lambda: not kernel.contacts_closed, 100, tick_ms=1)
        take(board, *ways)
        return board, 1000 if cause.bit != faults.OVER_CURRENT else 999
    board.run(1500, tick_ms=10)
    ends_ms = cause.ends_ms
    if UNPLUGGING in ways and cause.bit == faults.CABLE:
        ends_ms = 49  # without a car there need not be a cable; A is believed sooner than the cable
    elif UNPLUGGING in ways and cause.bit not in ENDED_BY_UNPLUGGING:
        board.level_mv = LEVEL_A
        board.run(500)
    cause.end(board)
    take(board, *ways)
    return board, 1000 + ends_ms


# --- the rule, and nothing else

ALLOWED = [(stage, cause, way) for stage, cause in CASES for way in CLEARED_BY[cause.bit]]
FORBIDDEN = [(stage, cause) for stage, cause in CASES if set(CLEARED_BY[cause.bit]) != set(WAYS)]


def name_of(value: object) -> str:
    return value.begin.__name__ if isinstance(value, Cause) else str(value)


@pytest.mark.parametrize(("stage", "cause", "way"), ALLOWED, ids=name_of)
def test_a_fault_clears_one_second_after_its_cause_by_each_way_of_its_rule(stage: str, cause: Cause, way: str) -> None:
    board, stays_ms = ended(stage, cause, way)
    board.exactly(stays_ms, "cleared", lambda: not board.kernel.faults & cause.bit, coarse_ms=1 if cause.ends_ms else 5)
    assert not board.kernel.faults, faults.names(board.kernel.faults)
    assert not board.kernel.conditions & 1, "the condition Fault"
    board.order = 0
    board.run(100)
    assert board.kernel.phase in (table.IDLE, table.TESTING)


@pytest.mark.parametrize(("stage", "cause"), FORBIDDEN, ids=name_of)
def test_a_fault_clears_by_no_way_that_is_not_in_its_rule(stage: str, cause: Cause) -> None:
    wrong = [way for way in WAYS if way not in CLEARED_BY[cause.bit]]
    board, _ = ended(stage, cause, *wrong)
    board.always("fault", lambda: board.kernel.faults & cause.bit and not board.kernel.close, 4000, tick_ms=20)


@pytest.mark.parametrize(("stage", "cause"), LASTING, ids=LASTING_IDS)
def test_a_fault_whose_cause_lasts_clears_by_nothing(stage: str, cause: Cause) -> None:
    board = found(stage, cause)
    take(board, COMMAND, *(() if cause.bit in ENDED_BY_UNPLUGGING else (UNPLUGGING,)))
    board.always("fault", lambda: board.kernel.faults & cause.bit and not board.kernel.close, 3000, tick_ms=20)


RETURNING = [
    case
    for case in LASTING
    if not case[1].ends_ms and (case[1].idle or 1000) <= 200 and case[1].bit != faults.PARAMETERS
]


@pytest.mark.parametrize("again_after_ms", [1, 999])
@pytest.mark.parametrize(("stage", "cause"), RETURNING, ids=name_of)
def test_a_cause_that_comes_back_within_the_second_starts_it_anew(
    stage: str, cause: Cause, again_after_ms: int
) -> None:
    board = found(stage, cause)
    board.run(1500)
    cause.end(board)
    board.run(again_after_ms, tick_ms=1)
    cause.begin(board)
    if cause.bit != faults.PILOT_INVALID:
        board.order = REQUEST_CLEAR
    board.run(cause.idle or 0, tick_ms=1)
    cause.end(board)
    board.exactly(1000, "cleared", lambda: not board.kernel.faults & cause.bit, coarse_ms=5)


def test_a_fault_whose_cause_has_never_been_seen_waits_its_second_too() -> None:
    for row in faults.FAULTS:
        if row[4] != faults.BY_CAUSE:
            continue
        clearing, standing = Clearing(), row[0]
        assert clearing.update(standing, 0, 999, True, False, False, list(block())) == standing
        assert clearing.update(standing, 0, 1, True, False, False, list(block())) == 0


# --- contacts

OPEN_RULE = [
    case for case in CASES if case[1].bit not in (faults.WELDED, faults.NOT_CLOSED, faults.MIRROR, faults.PARAMETERS)
]


@pytest.mark.parametrize("which", ["contacts", "phase_contacts"])
@pytest.mark.parametrize(("stage", "cause"), OPEN_RULE, ids=name_of)
def test_no_fault_clears_before_all_contacts_have_been_open_for_a_second(stage: str, cause: Cause, which: str) -> None:
    board, _ = ended(stage, cause)
    board.welded = True
    setattr(board, which, True)
    take(board, COMMAND, UNPLUGGING)
    if cause.bit in (faults.DIODE, faults.CABLE):
        board.order = 0
    board.always("fault", lambda: board.kernel.faults & cause.bit, 1500, tick_ms=10)
    board.welded = False
    setattr(board, which, False)
    board.exactly(1000, "cleared", lambda: not board.kernel.faults & cause.bit, coarse_ms=5)


# --- the command

BY_COMMAND = [case for case in CASES if COMMAND in CLEARED_BY[case[1].bit] and BY_ITSELF not in CLEARED_BY[case[1].bit]]


@pytest.mark.parametrize(("stage", "cause"), BY_COMMAND, ids=name_of)
def test_a_command_that_comes_a_millisecond_early_is_not_kept(stage: str, cause: Cause) -> None:
    board, stays_ms = ended(stage, cause)
    board.run(900)
    board.run(stays_ms - 902, tick_ms=1)
    board.kernel.request(REQUEST_CLEAR)
    board.tick(1)
    board.always("fault", lambda: board.kernel.faults == cause.bit, 1000, tick_ms=10)
    board.kernel.request(REQUEST_CLEAR)
    board.tick(1)
    assert not board.kernel.faults


@pytest.mark.parametrize("request_bits", [0, 2, 4 | 1, 8, 16])
def test_no_other_request_clears(request_bits: int) -> None:
    board, _ = ended("idle", CAUSES[-1])  # the station's own stop; asking for it again renews it
    board.order = request_bits
    board.always("fault", lambda: board.kernel.faults == faults.STATION_STOP, 3000)


def test_a_command_given_before_the_fault_is_not_kept_for_it() -> None:
    board = KernelBoard().closed()
    board.kernel.request(REQUEST_CLEAR)
    board.run(10)
    board.inputs.stop_pressed = True
    board.run(500)
    board.inputs.stop_pressed = False
    board.always("fault", lambda: board.kernel.faults == faults.STOP_BUTTON, 3000)


# --- more than one


def test_each_of_several_faults_clears_by_its_own_rule() -> None:
    board = KernelBoard().idle()
    kernel = board.kernel
    board.inputs.earth_ok = False
    board.inputs.plug_ddeg = 700
    board.run(1100)
    short(board)
    board.run(100)
    assert faults.names(kernel.faults) == ["PilotShort", "EarthLost", "PlugTooHot"]
    board.inputs.plug_ddeg = 250
    board.exactly(1000, "one less", lambda: not kernel.faults & faults.PLUG_HOT)
    assert kernel.faults == faults.PILOT_SHORT | faults.EARTH
    board.level_mv = LEVEL_B
    board.exactly(1049, "one less", lambda: not kernel.faults & faults.PILOT_SHORT)
    assert kernel.faults == faults.EARTH
    board.inputs.earth_ok = True
    board.run(1000)
    assert (kernel.faults, kernel.phase) == (faults.EARTH, table.FAULTED)
    board.kernel.request(REQUEST_CLEAR)
    board.tick(1)
    assert (kernel.faults, kernel.phase) == (0, table.IDLE)


def test_the_second_fault_of_a_kind_waits_as_long_as_the_first() -> None:
    board = KernelBoard().idle()
    for _ in range(2):
        board.inputs.stop_pressed = True
        board.run(50)
        board.inputs.stop_pressed = False
        board.order = REQUEST_CLEAR
        board.exactly(1000, "cleared", lambda: not board.kernel.faults)
        board.order = 0
        board.run(3000)


def test_after_its_fault_has_cleared_the_same_car_is_charged_again() -> None:
    board = KernelBoard((params.FAULT_OFF_MS, 0)).closed()
    board.inputs.stop_pressed = True
    board.run(1000)
    board.inputs.stop_pressed = False
    board.run(1000)
    board.order = REQUEST_CLEAR
    board.run_until("charging", lambda: board.kernel.contacts_closed, 6000)
    assert board.kernel.cycles == 2
