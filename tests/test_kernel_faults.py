"""Every fault: its number, name, code and class; how long its cause lasts until it is one; what it does to the pins."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_B, LEVEL_C
from kernel_board import KernelBoard
from kernel_causes import CAUSES, Cause, plug_hot, station_stop
from pilotwire.firmware.kernel import faults, params, table

GRACEFUL, PROMPT, EMERGENCY = 1, 2, 3
BY_CAUSE, BY_UNPLUG, BY_REPLUG, BY_RECLOSE, BY_COMMAND, BY_RESTART = 1, 2, 3, 4, 5, 6

# Number, name, MREC number, class, clearing. The codes are those of the ChargeX list as public firmwares use them: 1 connector
# lock, 2 ground failure, 3 high temperature, 4 over-current, 8 emergency stop, 14 pilot, 17 contactor, 19 cable over-temperature
# stop, 23 proximity.
NUMBERS = (
    (0, "PilotShort", 14, PROMPT, BY_CAUSE),
    (1, "PilotInvalid", 14, PROMPT, BY_CAUSE),
    (2, "DiodeMissing", 14, EMERGENCY, BY_UNPLUG),
    (3, "ContactorNotClosed", 17, EMERGENCY, BY_REPLUG),
    (4, "ContactorWelded", 17, EMERGENCY, BY_REPLUG),
    (5, "MirrorContact", 17, EMERGENCY, BY_REPLUG),
    (6, "PilotOverrun", 0, PROMPT, BY_CAUSE),
    (7, "ParametersDamaged", 0, EMERGENCY, BY_RESTART),
    (8, "CableUnreadable", 23, PROMPT, BY_CAUSE),
    (9, "LockFailure", 1, GRACEFUL, BY_REPLUG),
    (10, "ResidualCurrentDc", 2, EMERGENCY, BY_RECLOSE),
    (11, "ResidualCurrentAc", 2, EMERGENCY, BY_RECLOSE),
    (12, "ResidualSelfTest", 2, EMERGENCY, BY_COMMAND),
    (13, "EarthLost", 2, EMERGENCY, BY_COMMAND),
    (14, "PenLost", 2, EMERGENCY, BY_COMMAND),
    (15, "EmergencyStop", 8, EMERGENCY, BY_COMMAND),
    (16, "PlugTooHot", 19, GRACEFUL, BY_CAUSE),
    (17, "BoardTooHot", 3, GRACEFUL, BY_CAUSE),
    (18, "TemperatureSensor", 0, GRACEFUL, BY_CAUSE),
    (19, "OverCurrent", 4, PROMPT, BY_REPLUG),
    (20, "StationStop", 0, PROMPT, BY_REPLUG),
)
CONSTANTS = (
    *(
        "PILOT_SHORT",
        "PILOT_INVALID",
        "DIODE",
        "NOT_CLOSED",
        "WELDED",
        "MIRROR",
        "OVERRUN",
        "PARAMETERS",
        "CABLE",
        "LOCK",
    ),
    *("RESIDUAL_DC", "RESIDUAL_AC", "RESIDUAL_TEST", "EARTH", "PEN", "STOP_BUTTON", "PLUG_HOT", "BOARD_HOT", "SENSOR"),
    *("OVER_CURRENT", "STATION_STOP"),
)
HIDES_THE_CAR = faults.PILOT_SHORT | faults.PILOT_INVALID | faults.OVERRUN
"""After these nobody knows of a car that could be told anything."""

X1, F = 10000, 0
PWM_16_A = 2666

STAGES = ("idle", "offering", "closed", "stopping")
FOUND = [(stage, cause) for stage in STAGES for cause in CAUSES if getattr(cause, stage) is not None]
NOT_FOUND = [
    (stage, cause)
    for stage in STAGES
    for cause in CAUSES
    # Closed contacts in idle and offering are the mirror contact's fault; open ones are right there.
    if getattr(cause, stage) is None and cause.bit in (faults.DIODE, faults.OVER_CURRENT)
]


def name_of(value: object) -> str:
    return value.begin.__name__ if isinstance(value, Cause) else str(value)


def kind_of(bit: int) -> int:
    return NUMBERS[bit.bit_length() - 1][3]


def at(stage: str) -> KernelBoard:
    board = KernelBoard()
    getattr(board, stage)()
    return board


def test_the_table_of_faults_is_the_published_one() -> None:
    assert tuple((row[0].bit_length() - 1, *row[1:]) for row in faults.FAULTS) == NUMBERS
    assert [row[0] for row in faults.FAULTS] == [1 << number for number in range(21)]
    assert [getattr(faults, name) for name in CONSTANTS] == [row[0] for row in faults.FAULTS]


def test_classes_and_clearing_rules_have_their_published_numbers() -> None:
    assert (faults.GRACEFUL, faults.PROMPT, faults.EMERGENCY) == (1, 2, 3)
    rules = (
        faults.BY_CAUSE,
        faults.BY_UNPLUG,
        faults.BY_REPLUG,
        faults.BY_RECLOSE,
        faults.BY_COMMAND,
        faults.BY_RESTART,
    )
    assert rules == (1, 2, 3, 4, 5, 6)


def test_each_fault_is_of_exactly_one_class() -> None:
    for number, _, _, kind, _ in NUMBERS:
        bit = 1 << number
        masks = (faults.ALL_GRACEFUL & bit, faults.ALL_PROMPT & bit, faults.ALL_EMERGENCY & bit)
        assert [bool(mask) for mask in masks] == [kind == GRACEFUL, kind == PROMPT, kind == EMERGENCY]
    assert faults.ALL_GRACEFUL | faults.ALL_PROMPT | faults.ALL_EMERGENCY == (1 << 21) - 1


def test_names_are_listed_lowest_number_first() -> None:
    assert faults.names(0) == []
    assert faults.names((1 << 21) - 1) == [name for _, name, *_ in NUMBERS]
    assert faults.names(faults.EARTH | faults.PILOT_SHORT) == ["PilotShort", "EarthLost"]


@pytest.mark.parametrize(("stage", "cause"), FOUND, ids=name_of)
def test_a_cause_is_a_fault_after_its_evidence_time_and_acts_at_the_pins_as_its_class_says(
    stage: str, cause: Cause
) -> None:
    board = at(stage)
    kernel = board.kernel
    x1_ms = board.now_ms  # meant for the stage "stopping" only: when X1 began
    cause.begin(board)
    board.exactly(getattr(cause, stage), "the fault", lambda: kernel.faults)
    assert kernel.faults == cause.bit, faults.names(kernel.faults)
    assert kernel.conditions & 1, "the condition Fault"
    kind = kind_of(cause.bit)
    if kind == GRACEFUL and stage in ("closed", "stopping"):
        stops_gracefully(board, x1_ms if stage == "stopping" else board.now_ms)
    elif kind == PROMPT and stage in ("offering", "closed"):
        stops_promptly(board, bool(cause.bit & HIDES_THE_CAR))
    elif kind == EMERGENCY:
        stops_at_once(board)
    else:
        assert (kernel.phase, kernel.duty) == (table.FAULTED, X1)
    board.always("open and X1", lambda: not kernel.close and not kernel.close_phases and kernel.duty == X1, 1000)
    assert kernel.phase == table.FAULTED or not kernel.faults & cause.bit


def stops_gracefully(board: KernelBoard, x1_ms: int) -> None:
    """X1 now; open under load 6.2 s after it, between the 6.0 s that the car has and 6.5 s."""
    kernel = board.kernel
    assert (kernel.phase, kernel.duty, kernel.close, kernel.close_phases) == (table.STOPPING, X1, True, True)
    board.granted_ma = 16000  # even if the station permits: there is no way back while the fault is there
    board.exactly(6200 - (board.now_ms - x1_ms), "open", lambda: not kernel.close, coarse_ms=5)
    board.tick(1)


def stops_promptly(board: KernelBoard, hides: bool) -> None:
    """Open now. PWM as it was for 6 s, so that the car can be told; if it is still there to be told."""
    kernel = board.kernel
    assert (kernel.phase, kernel.duty, kernel.close, kernel.close_phases) == (table.TELLING, PWM_16_A, False, False)
    board.exactly(1 if hides else 6000, "X1", lambda: kernel.duty == X1, coarse_ms=5)


def stops_at_once(board: KernelBoard) -> None:
    """Open now, F for 320 ms."""
    kernel = board.kernel
    assert (kernel.phase, kernel.duty, kernel.close, kernel.close_phases) == (table.SHOWING_F, F, False, False)
    board.exactly(320, "X1", lambda: kernel.duty != F)


@pytest.mark.parametrize(("stage", "cause"), NOT_FOUND, ids=name_of)
def test_a_cause_that_can_say_nothing_in_a_phase_is_no_fault_there(stage: str, cause: Cause) -> None:
    board = at(stage)
    cause.begin(board)
    board.never("a fault", lambda: board.kernel.faults, 5000 if stage == "stopping" else 7500)


def test_a_graceful_stop_ends_when_the_car_opens_s2() -> None:
    board = at("closed")
    plug_hot(board)
    board.exactly(1000, "X1", lambda: board.kernel.duty == X1)
    board.run(2000)
    board.level_mv = LEVEL_B
    board.exactly(25, "open", lambda: not board.kernel.close)


@pytest.mark.parametrize("why", ["unplugged", "withdrawn"])
def test_after_a_prompt_stop_pwm_ends_with_the_car_or_the_permission(why: str) -> None:
    board = at("closed")
    station_stop(board)
    board.tick(1)
    assert board.kernel.phase == table.TELLING
    if why == "unplugged":
        board.level_mv = 12000
        board.exactly(25, "X1", lambda: board.kernel.duty == X1)
    else:
        board.withdraw()
        board.exactly(1, "X1", lambda: board.kernel.duty == X1)
    assert board.kernel.phase == table.FAULTED


def test_an_emergency_during_a_prompt_stop_shows_f() -> None:
    board = at("closed")
    station_stop(board)
    board.tick(1)
    board.inputs.stop_pressed = True
    board.tick(1)
    stops_at_once(board)


def test_the_worst_class_of_several_faults_counts() -> None:
    board = at("closed")
    board.inputs.plug_ddeg = 700
    board.run(999, tick_ms=1)
    station_stop(board)
    board.tick(1)
    assert board.kernel.faults == faults.PLUG_HOT | faults.STATION_STOP
    assert (board.kernel.phase, board.kernel.close) == (table.TELLING, False)

    board = at("closed")
    station_stop(board)
    board.inputs.stop_pressed = True
    board.tick(1)
    stops_at_once(board)


@pytest.mark.parametrize(
    "cause", [cause for cause in CAUSES if cause.bit in (faults.SENSOR, faults.STATION_STOP, faults.EARTH)], ids=name_of
)
def test_a_direct_current_session_drops_its_supply_with_the_fault_whatever_the_class(cause: Cause) -> None:
    board = KernelBoard((params.DC_MAX_MA, 200000))
    board.mode, board.granted_ma, board.load_ma = 3, 100000, 100000
    board.level_mv = LEVEL_C
    board.run_until("supply", lambda: board.kernel.supply_enable, 3000)
    cause.begin(board)
    board.exactly(cause.closed or 0, "supply off", lambda: not board.kernel.supply_enable)
    assert board.kernel.faults == cause.bit
    if kind_of(cause.bit) == GRACEFUL:
        board.exactly(900, "open", lambda: not board.kernel.close)
    assert not board.kernel.close


@pytest.mark.parametrize("fault_off_ms", [6000, 30000])
def test_after_a_fault_the_contactor_rests_as_long_as_the_parameter_says(fault_off_ms: int) -> None:
    board = KernelBoard((params.FAULT_OFF_MS, fault_off_ms)).closed()
    board.inputs.stop_pressed = True
    board.run_until("contacts open", lambda: not board.kernel.contacts_closed, 100, tick_ms=1)
    board.inputs.stop_pressed = False
    opened_ms = board.now_ms
    board.run(1500)
    board.order = 1
    board.tick()
    board.order = 0
    assert not board.kernel.faults
    rest_ms = (
        opened_ms + fault_off_ms - 1 - board.now_ms
    )  # the sample that reported open stands for its own millisecond
    board.exactly(rest_ms, "PWM", lambda: board.kernel.duty != X1, coarse_ms=10)
