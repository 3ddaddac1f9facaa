"""The table of phases: what no combination of conditions may do, and each of its rows, seen at the pins to the millisecond."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D
from kernel_exact import exactly
from kernel_phases import FullBench, in_phase
from pilotwire.firmware.kernel import table, times
from pilotwire.firmware.kernel.lease import (
    MODE_AC_HLC,
    MODE_DC,
    REQUEST_CLEAR,
    REQUEST_STEP_EF,
    REQUEST_STEP_X1,
)
from pilotwire.firmware.kernel.table import (
    CLOSED,
    DRAINING,
    FAULTED,
    IDLE,
    OFFERING,
    SETTLING,
    SHOWING_F,
    STEP_EF,
    STEP_X1,
    STOPPING,
    SWITCHING,
    TELLING,
    TESTING,
    WAKING,
    next_phase,
)

PHASES = range(len(table.PHASE_NAMES))
BITS = [1 << number for number in range(len(table.CONDITION_NAMES))]
ALL = (1 << len(BITS)) - 1
FAULTS = table.GRACEFUL | table.PROMPT | table.EMERGENCY
# A cable that is lost in Offering is a fault in the same tick (CableUnreadable): the table needs no condition for it there.
CLOSING = (
    table.PERMIT,
    table.POWER,
    table.CAR,
    table.WANTS,
    table.DIODE_OK,
    table.PROVEN_OPEN,
    table.RESTED,
    table.LOCKED,
    table.TESTED,
)


def combinations() -> Iterator[int]:
    """None, all, one, all but two, and many at random; with and without a fault (Fault is any of its classes)."""
    rng = random.Random(61851)
    drawn = [0, ALL, *BITS, *(ALL & ~first & ~second for first in BITS for second in BITS)]
    drawn += [rng.getrandbits(len(BITS)) for _ in range(1000)]
    for bits in drawn:
        for conditions in (bits, bits & ~FAULTS):
            yield conditions | table.FAULT if conditions & FAULTS else conditions & ~table.FAULT


COMBINATIONS = sorted(set(combinations()))


def test_every_row_names_phases_and_conditions_that_exist() -> None:
    assert len(table.PHASE_NAMES) == 14
    for phase, needs, bars, then in table.TABLE:
        assert phase in PHASES
        assert then in PHASES
        assert phase != then
        assert 0 <= needs <= ALL
        assert 0 <= bars <= ALL
        assert not needs & bars


def test_every_phase_can_be_reached_and_left() -> None:
    assert {row[0] for row in table.TABLE} == {row[3] for row in table.TABLE} == set(PHASES)


def test_an_emergency_leads_to_f_from_everywhere_but_where_f_has_been_shown() -> None:
    for phase in set(PHASES) - {SHOWING_F, FAULTED}:
        assert {next_phase(phase, bits) for bits in COMBINATIONS if bits & table.EMERGENCY} == {SHOWING_F}
    assert {next_phase(FAULTED, bits) for bits in COMBINATIONS if bits & table.FAULT} == {FAULTED}
    assert {next_phase(SHOWING_F, bits) for bits in COMBINATIONS} == {SHOWING_F, FAULTED}


def test_under_a_fault_the_contactor_stays_closed_for_a_graceful_stop_only() -> None:
    for phase in PHASES:
        for conditions in COMBINATIONS:
            then = next_phase(phase, conditions)
            if conditions & table.FAULT and then in (CLOSED, STOPPING, DRAINING):
                assert not conditions & (table.PROMPT | table.EMERGENCY)
                assert (phase, then) in (
                    (CLOSED, STOPPING),
                    (CLOSED, DRAINING),
                    (STOPPING, STOPPING),
                    (DRAINING, DRAINING),
                )


def test_the_contactor_closes_from_offering_only_and_with_every_condition() -> None:
    whole = sum(CLOSING)
    assert next_phase(OFFERING, whole) == CLOSED
    for missing in CLOSING:
        assert next_phase(OFFERING, whole & ~missing) != CLOSED
    for phase in set(PHASES) - {CLOSED, STOPPING, DRAINING}:
        for conditions in COMBINATIONS:
            if next_phase(phase, conditions) in (CLOSED, STOPPING, DRAINING):
                assert (phase, next_phase(phase, conditions)) == (OFFERING, CLOSED)
                assert conditions & whole == whole
                assert not conditions & (table.FAULT | table.SWITCH)


def test_a_contactor_stays_closed_only_for_a_car_that_asks() -> None:
    for phase in (CLOSED, STOPPING, DRAINING):
        for conditions in COMBINATIONS:
            then = next_phase(phase, conditions)
            if then in (CLOSED, STOPPING, DRAINING):
                assert conditions & table.WANTS
            if then == CLOSED:
                assert conditions & table.POWER
                assert conditions & table.TESTED
                assert not conditions & table.FAULT


def test_stopping_and_draining_end_with_their_time() -> None:
    for conditions in COMBINATIONS:
        if conditions & table.TIME_UP:
            assert next_phase(STOPPING, conditions) != STOPPING
            assert next_phase(DRAINING, conditions) not in (CLOSED, STOPPING, DRAINING)


def test_nothing_leads_from_faulted_to_closed_but_through_idle_and_offering() -> None:
    assert {next_phase(FAULTED, bits) for bits in COMBINATIONS} == {FAULTED, IDLE}
    assert {then for phase, _, _, then in table.TABLE if phase == IDLE} == {
        SHOWING_F,
        FAULTED,
        TESTING,
        STEP_EF,
        STEP_X1,
        SWITCHING,
        OFFERING,
    }


# What happens at the pins.


def permit(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.change_lease(16000)


def permit_dc(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.change_lease(16000, mode=MODE_DC)


def permit_hlc(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.change_lease(16000, mode=MODE_AC_HLC)


def withdraw(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.withdraw()


def unplug(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.level_mv = LEVEL_A


def unplugged(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.level_mv = LEVEL_A
    bench.run(100)


def open_s2(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.level_mv = LEVEL_B


def close_s2(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.level_mv = LEVEL_C


def ventilation(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.level_mv = LEVEL_D


def ask_ef(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.kernel.request(REQUEST_STEP_EF)


def ask_x1(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.kernel.request(REQUEST_STEP_X1)


def lock_slips(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.lock_obeys, bench.inputs.lock_closed = False, False


def self_test_is_old(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(times, "TEST_PERIOD_MS", 0)


def self_test_ends(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.rcd_obeys = True


def one_phase(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.change_lease(16000, phases=1)


def overheat(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(times, "SENSOR_MS", 1)
    bench.inputs.plug_ddeg = 700


def current_falls(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.inputs.current_ma = 5000


def clear(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    bench.run(1000)
    bench.kernel.request(REQUEST_CLEAR)


def nothing(bench: FullBench, patch: pytest.MonkeyPatch) -> None:
    pass


Event = Callable[[FullBench, pytest.MonkeyPatch], None]

# In this phase these things happen, and after so many milliseconds, not one earlier, the phase is that.
ROWS: list[tuple[int, list[Event], int, int]] = [
    (IDLE, [permit], 1, OFFERING),
    (IDLE, [permit_dc], 1, OFFERING),
    (IDLE, [ask_ef], 1, STEP_EF),
    (IDLE, [ask_x1], 1, STEP_X1),
    (IDLE, [ask_ef, ask_x1, permit], 1, STEP_EF),
    (IDLE, [ask_x1, permit], 1, STEP_X1),
    (IDLE, [self_test_is_old, permit, ask_ef], 1, TESTING),
    (TESTING, [self_test_ends], 2, IDLE),
    (OFFERING, [close_s2], 250, CLOSED),
    (OFFERING, [ventilation], 250, CLOSED),
    (OFFERING, [unplug], 50, IDLE),
    (OFFERING, [withdraw], 1, IDLE),
    (OFFERING, [lock_slips], 1, IDLE),
    (OFFERING, [self_test_is_old], 1, IDLE),
    (OFFERING, [ask_ef], 1, STEP_EF),
    (OFFERING, [ask_x1], 1, STEP_X1),
    (OFFERING, [withdraw, ask_ef], 1, IDLE),
    (OFFERING, [nothing], 1000, WAKING),
    (CLOSED, [open_s2], 25, OFFERING),
    (CLOSED, [unplug], 25, IDLE),
    (CLOSED, [withdraw], 1, STOPPING),
    (CLOSED, [permit_hlc], 1, STOPPING),
    (CLOSED, [permit_dc], 1, STOPPING),
    (CLOSED, [overheat], 1, STOPPING),
    (CLOSED, [self_test_is_old], 1, STOPPING),
    (CLOSED, [one_phase], 1, STOPPING),
    (STOPPING, [open_s2], 25, IDLE),
    (STOPPING, [unplug], 25, IDLE),
    (STOPPING, [nothing], 5000, CLOSED),
    (STOPPING, [withdraw], 6200, IDLE),
    (STOPPING, [permit_hlc], 6200, IDLE),
    (STOPPING, [overheat], 6200, IDLE),
    (STOPPING, [self_test_is_old], 6200, IDLE),
    (STOPPING, [one_phase], 6200, IDLE),
    (DRAINING, [withdraw, open_s2], 25, IDLE),
    (DRAINING, [withdraw, unplug], 25, IDLE),
    (DRAINING, [withdraw, current_falls], 1, IDLE),
    (DRAINING, [withdraw], 900, IDLE),
    (DRAINING, [permit_dc, open_s2], 25, OFFERING),
    (DRAINING, [permit_dc, unplug], 25, IDLE),
    (DRAINING, [permit_dc, current_falls], 1, OFFERING),
    (DRAINING, [permit_dc], 900, OFFERING),
    (DRAINING, [withdraw, overheat, current_falls], 1, IDLE),
    (DRAINING, [permit_dc, overheat, current_falls], 1, OFFERING),
    (DRAINING, [permit_dc, overheat], 900, OFFERING),
    (TELLING, [unplug], 25, FAULTED),
    (TELLING, [withdraw], 1, FAULTED),
    (TELLING, [nothing], 6000, FAULTED),
    (TELLING, [open_s2], 6000, FAULTED),
    (SHOWING_F, [nothing], 320, FAULTED),
    (SHOWING_F, [withdraw, unplug], 320, FAULTED),
    (FAULTED, [clear], 1, IDLE),
    (STEP_EF, [nothing], 4000, SETTLING),
    (STEP_EF, [withdraw, unplug], 4000, SETTLING),
    (STEP_X1, [nothing], 3000, IDLE),
    (STEP_X1, [withdraw, close_s2], 3000, IDLE),
    (STEP_X1, [withdraw, unplug], 3000, IDLE),
    (WAKING, [nothing], 4000, SETTLING),
    (WAKING, [withdraw, unplug], 4000, SETTLING),
    (SWITCHING, [nothing], 60_000, SETTLING),
    (SWITCHING, [withdraw, unplug], 60_000, SETTLING),
    (SETTLING, [nothing], 750, IDLE),
    (SETTLING, [withdraw, unplug], 750, IDLE),
]


def described(value: object) -> str | None:
    """A readable name for a case."""
    if isinstance(value, list):
        return "+".join(event.__name__ for event in value)
    return None


@pytest.mark.parametrize(("phase", "events", "nominal_ms", "then"), ROWS, ids=described)
def test_in_this_phase_these_events_lead_to_that_phase(
    phase: int, events: list[Event], nominal_ms: int, then: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = in_phase(phase)
    for event in events:
        event(bench, monkeypatch)
    exactly(bench, table.PHASE_NAMES[then], lambda: bench.kernel.phase != phase, nominal_ms)
    assert table.PHASE_NAMES[bench.kernel.phase] == table.PHASE_NAMES[then]


# In this phase these things happen and the phase stays for so long.
STAYS: list[tuple[int, list[Event], int]] = [
    (IDLE, [unplugged, ask_ef, ask_x1], 2000),
    (IDLE, [unplugged, permit], 2000),
    (IDLE, [permit, lock_slips], 900),
    (TESTING, [permit, ask_ef, unplug], 700),
    (OFFERING, [close_s2], 240),
    (CLOSED, [ask_ef, ask_x1], 2000),
    (STOPPING, [ask_ef, ask_x1, withdraw], 6000),
    (DRAINING, [ask_ef, ask_x1, withdraw], 890),
    (TELLING, [ask_ef, ask_x1], 5900),
    (SHOWING_F, [ask_ef, ask_x1], 290),
    (FAULTED, [ask_ef, ask_x1, permit, close_s2], 9000),
    (FAULTED, [unplug], 9000),
    (STEP_EF, [ask_x1], 3900),
    (STEP_X1, [ask_ef], 2900),
    (WAKING, [ask_ef, ask_x1], 3900),
    (SWITCHING, [ask_ef, ask_x1], 59_000),
    (SETTLING, [ask_ef, ask_x1, permit], 700),
]


@pytest.mark.parametrize(("phase", "events", "ms"), STAYS, ids=described)
def test_in_this_phase_these_events_change_nothing(
    phase: int, events: list[Event], ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = in_phase(phase)
    for event in events:
        event(bench, monkeypatch)
    bench.never("another phase", lambda: bench.kernel.phase != phase, ms, tick_ms=10)
