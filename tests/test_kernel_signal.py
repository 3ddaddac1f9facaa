"""The pilot signal: when its duty may change, what may change at once, and how soon a reduction is signalled."""

from __future__ import annotations

import itertools

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_E, KernelBench
from kernel_exact import exactly
from kernel_phases import in_phase
from pilotwire.firmware.kernel import params, table
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_HLC, DUTY_X1
from pilotwire.firmware.kernel.lease import (
    MODE_AC_HLC,
    MODE_NONE,
    REQUEST_CLEAR,
    REQUEST_STEP_EF,
    REQUEST_STEP_X1,
    REQUEST_STOP,
)
from pilotwire.firmware.kernel.signal import Signal


def offering(limit_ma: int = 16000, level_mv: int = LEVEL_B) -> KernelBench:
    """A bench whose car sees PWM since this very tick."""
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = level_mv, limit_ma
    bench.run_until("PWM", lambda: bench.kernel.duty not in (DUTY_X1, DUTY_F), 1000, tick_ms=1)
    return bench


def grant(bench: KernelBench, limit_ma: int) -> None:
    """Grant limit_ma now and from now on."""
    bench.granted_ma = limit_ma
    bench.grant(limit_ma)


def withdraw(bench: KernelBench) -> None:
    """End the permission now."""
    bench.granted_ma = None
    bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms)


def test_a_signal_begins_as_x1_and_may_change_at_once() -> None:
    signal = Signal()
    assert (signal.duty, signal.limit_ma, signal.spaced, signal.pwm) == (10000, 0, True, False)


def test_each_change_starts_the_spacing_of_5_s_and_showing_the_same_does_not() -> None:
    signal = Signal()
    signal.show(10000)
    assert signal.spaced
    for duty in (2666, 10000, 0, 500):
        signal.show(duty)
        assert (signal.duty, signal.spaced) == (duty, False)
        signal.pass_time(4999)
        signal.show(duty)
        assert not signal.spaced
        signal.pass_time(1)
        assert signal.spaced


@pytest.mark.parametrize(
    ("duty", "limit_ma", "pwm"),
    [
        (0, 0, False),
        (1, 0, True),
        (500, 0, True),
        (1000, 6000, True),
        (2666, 15996, True),
        (9999, 0, True),
        (10000, 0, False),
    ],
)
def test_a_signal_knows_what_it_tells(duty: int, limit_ma: int, pwm: bool) -> None:
    signal = Signal()
    signal.show(duty)
    assert (signal.duty, signal.limit_ma, signal.pwm) == (duty, limit_ma, pwm)


def test_after_a_restart_the_signal_may_change_at_once() -> None:
    signal = Signal()
    signal.show(2666)
    signal.restart()
    assert (signal.spaced, signal.duty) == (True, 2666)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_the_first_value_is_shown_in_the_tick_after_the_lease(level_mv: int) -> None:
    bench = KernelBench()
    bench.level_mv = level_mv
    bench.run(500)
    grant(bench, 16000)
    exactly(bench, "PWM", lambda: bench.kernel.duty == 2666, 1)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_the_duty_changes_5_s_after_the_last_change_and_not_earlier(level_mv: int) -> None:
    bench = offering(level_mv=level_mv)
    for limit_ma, permyriad in ((6000, 1000), (32000, 5333), (6006, 1001)):
        bench.run(100, tick_ms=1)
        grant(bench, limit_ma)
        exactly(bench, "the new duty", lambda duty=permyriad: bench.kernel.duty == duty, 4900)
    assert bench.kernel.phase == (table.OFFERING if level_mv == LEVEL_B else table.CLOSED)


def test_a_limit_that_never_stands_still_changes_the_duty_every_5_s_to_its_present_value() -> None:
    bench = offering(level_mv=LEVEL_C)
    changed_at_ms = [bench.now_ms]
    for number in range(3000):
        before, limit_ma = bench.kernel.duty, 6000 + number * 7919 % 26000
        bench.grant(limit_ma)
        bench.tick(10)
        if bench.kernel.duty != before:
            changed_at_ms.append(bench.now_ms)
            assert limit_ma - 6 < bench.kernel.limit_ma <= limit_ma
    assert [later - earlier for earlier, later in itertools.pairwise(changed_at_ms)] == [5000] * 6


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_a_fall_of_the_limit_is_shown_in_the_next_tick_once_the_spacing_is_over(level_mv: int) -> None:
    bench = offering(limit_ma=32000, level_mv=level_mv)
    bench.run(5000)
    grant(bench, 10000)
    exactly(bench, "the fall", lambda: bench.kernel.limit_ma == 9996, 1)
    grant(bench, 6000)
    exactly(bench, "the next, at the first permitted instant", lambda: bench.kernel.limit_ma == 6000, 5000)


def test_a_limit_that_falls_and_rises_within_the_spacing_is_never_shown() -> None:
    bench = offering(limit_ma=16000)
    grant(bench, 6000)
    bench.run(4000)
    grant(bench, 16000)
    bench.never("another duty", lambda: bench.kernel.duty != 2666, 10_000)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_x1_is_shown_at_once_however_new_the_duty_is(level_mv: int) -> None:
    bench = offering(level_mv=level_mv)
    bench.run(200, tick_ms=1)
    withdraw(bench)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_a_lease_that_flickers_does_not_change_the_duty_more_often(level_mv: int) -> None:
    bench = offering(level_mv=level_mv)
    bench.run(300, tick_ms=1)
    for limit_ma, permyriad in ((20000, 3333), (10000, 1666)):
        withdraw(bench)
        exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1)
        grant(bench, limit_ma)
        exactly(bench, "another duty", lambda duty=permyriad: bench.kernel.duty == duty, 5000)
    assert bench.kernel.cycles == (0 if level_mv == LEVEL_B else 1)


def test_a_car_that_opened_s2_at_x1_sees_no_pwm_before_5_s_either() -> None:
    bench = offering(level_mv=LEVEL_C)
    bench.run(1000)
    withdraw(bench)
    bench.tick(1)
    assert bench.kernel.phase == table.STOPPING
    bench.level_mv = LEVEL_B
    grant(bench, 16000)
    exactly(bench, "PWM", lambda: bench.kernel.duty != DUTY_X1, 5000)
    assert bench.kernel.phase == table.OFFERING


def test_another_car_sees_its_first_value_at_once() -> None:
    bench = offering(limit_ma=16000)
    bench.level_mv = LEVEL_A
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 50)
    bench.level_mv = LEVEL_B
    grant(bench, 10000)
    exactly(bench, "PWM", lambda: bench.kernel.duty == 1666, 50)


@pytest.mark.parametrize("level_mv", [LEVEL_E, -5000])
def test_a_car_that_was_only_hidden_is_no_other_car(level_mv: int) -> None:
    bench = offering(limit_ma=16000)
    bench.level_mv = level_mv
    bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 300, tick_ms=1)
    bench.level_mv = LEVEL_B
    exactly(bench, "PWM", lambda: bench.kernel.duty != DUTY_X1, 5000)


@pytest.mark.parametrize(("request_bits", "lasts_ms"), [(REQUEST_STEP_EF, 4750), (REQUEST_STEP_X1, 3000)])
def test_after_a_step_the_car_has_been_started_anew_and_sees_the_duty_at_once(request_bits: int, lasts_ms: int) -> None:
    bench = offering()
    bench.run(1000)
    bench.kernel.request(request_bits)
    exactly(bench, "the step", lambda: bench.kernel.phase in (table.STEP_EF, table.STEP_X1), 1)
    exactly(bench, "PWM", lambda: bench.kernel.duty == 2666, lasts_ms + 1, tick_ms=1)


def test_after_a_step_that_a_fault_has_ended_the_spacing_counts() -> None:
    bench = in_phase(table.SETTLING)  # X1 since this very tick
    bench.kernel.request(REQUEST_STOP)
    bench.run(1500)
    bench.kernel.request(REQUEST_CLEAR)
    exactly(bench, "no fault", lambda: not bench.kernel.faults, 1)
    exactly(bench, "PWM", lambda: bench.kernel.duty not in (DUTY_X1, DUTY_F), 5000 - 1501)


def test_the_duty_rests_while_the_car_is_told_of_a_prompt_stop() -> None:
    bench = offering(level_mv=LEVEL_C)
    bench.run(6000)
    bench.kernel.request(REQUEST_STOP)
    exactly(bench, "the stop", lambda: bench.kernel.phase == table.TELLING, 1)
    grant(bench, 10000)
    bench.never("another duty", lambda: bench.kernel.duty != 2666, 5900)


def test_five_per_cent_obeys_the_spacing_like_every_duty() -> None:
    bench = offering(level_mv=LEVEL_B)
    bench.run(1000)
    bench.mode = MODE_AC_HLC
    grant(bench, 16000)
    exactly(bench, "5 %", lambda: bench.kernel.duty == DUTY_HLC, 4000)


def test_each_phase_has_its_pilot_signal() -> None:
    bench = KernelBench((params.WAKE_AFTER_MS, 2000))
    kernel = bench.kernel
    signals: dict[int, set[tuple[int, bool, bool]]] = {}

    def run(ms: int) -> None:
        for _ in range(ms // 5):
            bench.tick()
            signals.setdefault(kernel.phase, set()).add((kernel.duty, kernel.cp_off, kernel.close))

    bench.level_mv = LEVEL_B
    run(500)
    bench.granted_ma = 16000
    run(8000)  # wakes the car
    bench.level_mv = LEVEL_C
    run(1000)
    kernel.request(REQUEST_STOP)
    run(7000)
    bench.level_mv = LEVEL_A
    run(2000)
    bench.charging()
    run(1000)
    withdraw(bench)
    run(7000)
    kernel.request(REQUEST_STEP_X1)
    run(4000)
    kernel.request(REQUEST_STEP_EF)
    run(5000)
    bench.granted_ma, bench.low_mv = 16000, 0
    run(6000)
    assert signals == {
        table.IDLE: {(10000, False, False)},
        table.OFFERING: {(2666, False, False)},
        table.WAKING: {(10000, True, False)},
        table.SETTLING: {(10000, False, False)},
        table.CLOSED: {(2666, False, True)},
        table.TELLING: {(2666, False, False)},
        table.STOPPING: {(10000, False, True)},
        table.STEP_X1: {(10000, False, False)},
        table.STEP_EF: {(0, False, False)},
        table.SHOWING_F: {(0, False, False)},
        table.FAULTED: {(10000, False, False)},
    }
