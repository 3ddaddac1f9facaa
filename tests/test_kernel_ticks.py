"""Modular time, timers that saturate, and what a step does about time that nobody watched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_bench import LEVEL_B, LEVEL_C, KernelBench
from kernel_exact import exactly
from pilotwire.firmware.kernel import bands, faults, params, table, times
from pilotwire.firmware.kernel.duty import DUTY_X1
from pilotwire.firmware.kernel.ticks import LONG_MS, TICKS_PERIOD, add, elapsed, less

WRAP = 2**30
HALF = 2**29


def test_the_clock_is_the_one_of_the_target() -> None:
    assert (TICKS_PERIOD, LONG_MS) == (2**30, 2**28)


@pytest.mark.parametrize(
    ("now_ms", "then_ms", "passed_ms"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, -1),
        (0, WRAP - 1, 1),
        (WRAP - 1, 0, -1),
        (100, WRAP - 100, 200),
        (HALF - 1, 0, HALF - 1),
        (HALF, 0, -HALF),
        (HALF + 1, 0, 1 - HALF),
        (0, HALF, -HALF),
        (0, HALF + 1, HALF - 1),
        (WRAP - 1, HALF, HALF - 1),
        (5, WRAP + 3, 2),
        (5, -3, 8),
    ],
)
def test_elapsed_time(now_ms: int, then_ms: int, passed_ms: int) -> None:
    assert elapsed(now_ms, then_ms) == passed_ms


@given(st.integers(0, 2**40), st.integers(-HALF, HALF - 1))
def test_elapsed_is_the_difference_of_instants_less_than_half_a_turn_apart(then_ms: int, passed_ms: int) -> None:
    assert elapsed((then_ms + passed_ms) % WRAP, then_ms % WRAP) == passed_ms


@given(st.integers(0, WRAP - 1), st.integers(-(2**32), 2**32))
def test_elapsed_stays_in_its_range_for_any_instant_off_the_link(now_ms: int, then_ms: int) -> None:
    assert -HALF <= elapsed(now_ms, then_ms) < HALF


def test_a_timer_adds_up_and_stops_at_long() -> None:
    assert [add(0, 0), add(3, 4), add(2**28 - 2, 1), add(2**28 - 1, 1), add(2**28, 40)] == [
        0,
        7,
        2**28 - 1,
        2**28,
        2**28,
    ]


def test_a_timer_goes_down_and_stops_at_zero() -> None:
    assert [less(7, 0), less(7, 3), less(7, 6), less(7, 7), less(7, 8), less(0, 5), less(0, 0)] == [7, 4, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("start_ms", [0, 12345, WRAP - 1, HALF, HALF + 7])
def test_the_first_step_is_no_lost_time_wherever_the_clock_stands(start_ms: int) -> None:
    bench = KernelBench(start_ms=start_ms)
    bench.tick(0)
    bench.tick(40)
    assert (bench.kernel.faults, bench.kernel.pilot_state) == (0, bands.INVALID)
    exactly(bench, "the first state, of a wire seen for 50 ms", lambda: bench.kernel.pilot_state == bands.A, 10)


def test_40_ms_are_a_late_tick_and_41_ms_are_lost_time() -> None:
    bench = KernelBench().charging()
    bench.tick(40)
    assert (bench.kernel.faults, bench.kernel.phase) == (0, table.CLOSED)
    bench.tick(41)
    assert (bench.kernel.faults, bench.kernel.close) == (faults.OVERRUN, False)
    assert bench.kernel.phase == table.TELLING


def test_a_clock_that_stands_is_no_lost_time_and_one_that_runs_back_is() -> None:
    bench = KernelBench().charging()
    bench.tick(0)
    assert (bench.kernel.faults, bench.kernel.phase) == (0, table.CLOSED)
    bench.tick(-1)
    assert (bench.kernel.faults, bench.kernel.phase) == (faults.OVERRUN, table.TELLING)


@pytest.mark.parametrize("lost_ms", [41, 1000, HALF - 1, HALF, WRAP - 1, -1])
def test_after_lost_time_neither_lease_nor_car_count_any_more(lost_ms: int) -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(1000)
    bench.granted_ma = None
    bench.grant(16000)
    bench.tick(lost_ms)
    assert bench.kernel.lease_left_ms() == 0
    assert bench.kernel.pilot_state == bands.INVALID
    assert not bench.kernel.conditions & table.PERMIT


def test_lost_time_is_no_evidence() -> None:
    bench = KernelBench()
    bench.level_mv = LEVEL_C
    bench.run(200, tick_ms=1)
    bench.tick(41)
    assert bench.kernel.pilot_state == bands.INVALID
    exactly(bench, "C, from nothing", lambda: bench.kernel.pilot_state == bands.C, 250)


def test_after_lost_time_the_contacts_must_be_seen_open_anew() -> None:
    bench = KernelBench((params.MIN_OFF_MS, 10_000), (params.FAULT_OFF_MS, 10_000))
    bench.tick(0)
    exactly(bench, "rested after boot", lambda: bench.kernel.conditions & table.RESTED, 10_000)
    bench.tick(41)
    assert not bench.kernel.conditions & (table.RESTED | table.PROVEN_OPEN | table.ZERO)
    bench.tick(1)
    assert bench.kernel.conditions & table.PROVEN_OPEN
    exactly(bench, "zero current", lambda: bench.kernel.conditions & table.ZERO, 999)
    exactly(bench, "rested", lambda: bench.kernel.conditions & table.RESTED, 9000)


def test_lost_time_runs_no_timer_of_a_phase() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.kernel.lease(0, 0, 0, 0, bench.clock_ms)
    bench.tick(1)
    bench.kernel.request(0)
    bench.tick(41)
    assert bench.kernel.phase == table.FAULTED, "X1 is on the wire: there is nothing to tell"
    assert bench.kernel.duty == DUTY_X1


def test_lost_time_clears_one_second_after_it_and_then_the_car_goes_on() -> None:
    bench = KernelBench().charging()
    bench.contact_delay_ms = 0
    bench.tick(41)
    exactly(bench, "no fault", lambda: not bench.kernel.faults, 1000)
    bench.granted_ma = 16000
    bench.run_until("close", lambda: bench.kernel.close, 6000)


def test_an_expired_lease_does_not_come_back_when_the_clock_has_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "OVERRUN_MS", 1 << 28)  # so that days can pass in a few steps
    for step_ms in (1 << 26, 1 << 27):
        bench = KernelBench()
        bench.run(100)
        bench.grant(16000)
        bench.run(2000)
        for _ in range(64):
            bench.tick(step_ms)
            assert bench.kernel.lease_left_ms() == 0


def test_a_new_lease_is_taken_however_long_the_last_one_is_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "OVERRUN_MS", 1 << 28)
    bench = KernelBench()
    for _ in range(40):
        bench.tick(1 << 26)
        for _ in range(2):
            assert bench.grant(16000)
            bench.tick(1 << 26)


def test_a_kernel_that_has_run_for_weeks_closes_as_on_the_first_day(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = KernelBench((params.MIN_OFF_MS, 10_000))
    bench.tick()
    monkeypatch.setattr(times, "OVERRUN_MS", 1 << 28)
    for _ in range(40):
        bench.tick(1 << 27)
    monkeypatch.setattr(times, "OVERRUN_MS", 40)
    bench.level_mv = LEVEL_B
    bench.run(100)
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.run_until("close", lambda: bench.kernel.close, 500)
