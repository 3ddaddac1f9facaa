"""The lease: nothing happens without one, it runs out, it can only narrow, and nothing stale prolongs it."""

from __future__ import annotations

import itertools

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED, KernelBench
from pilotwire.firmware.kernel import kernel as safety
from pilotwire.firmware.kernel import table
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_X1
from pilotwire.firmware.kernel.kernel import MODE_AC, MODE_NONE, Inputs, Kernel
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

LEVELS = [LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED]


@pytest.mark.parametrize("level_mv", LEVELS)
def test_boot_is_silent(level_mv: int) -> None:
    bench = KernelBench()
    assert (bench.kernel.duty, bench.kernel.close) == (DUTY_X1, False)
    bench.level_mv = level_mv
    kernel = bench.kernel
    bench.never("close or PWM", lambda: kernel.close or kernel.duty not in (DUTY_X1, DUTY_F), 20_000)
    assert (kernel.lease_left_ms(), kernel.cycles, kernel.limit_ma) == (0, 0, 0)


@pytest.mark.parametrize("first_ms", [0, 100, TICKS_PERIOD - 900, TICKS_PERIOD // 2 + 5])
def test_a_lease_from_before_the_first_step_is_refused(first_ms: int) -> None:
    kernel = Kernel(32000)
    assert not kernel.lease(MODE_AC, 16000, 1000, 0)
    kernel.step(first_ms, Inputs())
    assert kernel.lease_left_ms() == 0


def test_the_lease_counts_from_its_issue_and_runs_out() -> None:
    bench = KernelBench()
    bench.run(100)
    assert bench.grant(16000)
    assert bench.kernel.lease_left_ms() == 1000
    bench.run(400)
    assert bench.kernel.lease_left_ms() == 600
    bench.run(600)
    assert bench.kernel.lease_left_ms() == 0
    bench.never("a lease", bench.kernel.lease_left_ms, 5000)


@pytest.mark.parametrize("tick_ms", [1, 5, 20, 40])
def test_a_silent_station_means_x1_after_the_ttl_and_an_obeying_car_is_opened_at_once(tick_ms: int) -> None:
    bench = KernelBench().charging()
    granted_at_ms = bench.now_ms
    bench.grant(16000)
    bench.granted_ma = None
    bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 2000, tick_ms)
    assert 1000 <= bench.now_ms - granted_at_ms < 1000 + tick_ms
    assert bench.kernel.phase == table.STOPPING
    bench.never("an early opening", lambda: not bench.kernel.close, 2500, tick_ms)
    bench.level_mv = LEVEL_B  # the car opens S2
    assert bench.run_until("open command", lambda: not bench.kernel.close, 200, tick_ms) < 25 + tick_ms
    assert bench.kernel.phase == table.IDLE
    bench.level_mv = LEVEL_C
    bench.never("close", lambda: bench.kernel.close, 5000, tick_ms)


@pytest.mark.parametrize("tick_ms", [1, 3, 5, 20, 39, 40])
def test_a_car_that_ignores_x1_is_opened_between_6_0_and_6_5_s(tick_ms: int) -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 2000, tick_ms)
    x1_at_ms = bench.now_ms
    bench.run_until("open command", lambda: not bench.kernel.close, 7000, tick_ms)
    assert 6000 <= bench.now_ms - x1_at_ms <= 6400  # the rest belongs to the contactor
    bench.never("close", lambda: bench.kernel.close, 10_000, tick_ms)


def test_a_lease_that_comes_back_while_stopping_goes_on_charging() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.run(4000)
    assert bench.kernel.phase == table.STOPPING
    bench.granted_ma = 10000
    bench.run(200)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.cycles) == (table.CLOSED, 1666, 1)
    # and the next stop has its six seconds anew
    bench.granted_ma = None
    bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 2000)
    assert 6000 <= bench.run_until("open command", lambda: not bench.kernel.close, 7000) <= 6400


@pytest.mark.parametrize(
    ("mode", "limit_ma", "ttl_ms"),
    [
        (MODE_NONE, 16000, 1000),
        (MODE_NONE, 0, 0),
        (2, 16000, 1000),
        (-1, 16000, 1000),
        (255, 16000, 1000),
        (MODE_AC, 0, 1000),
        (MODE_AC, 5999, 1000),
        (MODE_AC, -16000, 1000),
        (MODE_AC, 16000, 0),
        (MODE_AC, 16000, -1),
        (MODE_AC, 16000, 5001),
        (MODE_AC, 16000, TICKS_PERIOD - 1),
    ],
)
def test_a_lease_that_withdraws_or_makes_no_sense_ends_permission(mode: int, limit_ma: int, ttl_ms: int) -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    assert not bench.kernel.lease(mode, limit_ma, ttl_ms, bench.clock_ms)
    assert bench.kernel.lease_left_ms() == 0
    bench.tick()
    assert (bench.kernel.phase, bench.kernel.duty) == (table.STOPPING, DUTY_X1)

    fresh = KernelBench()
    fresh.level_mv = LEVEL_C
    for _ in range(100):
        assert not fresh.kernel.lease(mode, limit_ma, ttl_ms, fresh.clock_ms)
        fresh.never("close", lambda: fresh.kernel.close, 100)


def test_the_bounds_themselves_are_allowed() -> None:
    bench = KernelBench()
    bench.tick()
    assert bench.kernel.lease(MODE_AC, 6000, 1, bench.clock_ms)
    assert bench.kernel.lease(MODE_AC, 6000, 5000, bench.clock_ms)
    assert bench.kernel.lease_left_ms() == 5000


def test_a_lease_as_old_as_its_ttl_is_refused_and_one_millisecond_less_counts_for_that_millisecond() -> None:
    bench = KernelBench()
    bench.run(2000)
    assert not bench.kernel.lease(MODE_AC, 16000, 1000, bench.clock_ms - 1000)
    assert bench.kernel.lease_left_ms() == 0
    assert bench.kernel.lease(MODE_AC, 16000, 1000, bench.clock_ms - 999)
    assert bench.kernel.lease_left_ms() == 1


@pytest.mark.parametrize("ahead_ms", [1, 100, 5000, TICKS_PERIOD // 2])
def test_a_lease_from_the_future_is_refused(ahead_ms: int) -> None:
    bench = KernelBench(start_ms=1000)
    bench.tick()
    assert not bench.kernel.lease(MODE_AC, 16000, 1000, (bench.clock_ms + ahead_ms) % TICKS_PERIOD)
    assert bench.kernel.lease_left_ms() == 0


def test_a_delayed_lease_cannot_prolong_the_present_one() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    issued_ms = bench.clock_ms
    bench.grant(16000)
    bench.run(500)
    bench.kernel.lease(MODE_AC, 16000, 1000, issued_ms)  # the same one once more
    assert bench.kernel.lease_left_ms() == 500
    bench.kernel.lease(MODE_AC, 32000, 1000, issued_ms - 300)  # an older one overtaken on the way
    assert bench.kernel.lease_left_ms() == 500
    bench.run(500)
    for age_ms in range(1000, 5000, 100):
        assert not bench.kernel.lease(MODE_AC, 16000, 1000, bench.clock_ms - age_ms)
    bench.tick()
    assert bench.kernel.phase == table.STOPPING


def test_a_lease_that_was_overtaken_by_a_withdrawal_or_a_lower_one_is_refused() -> None:
    bench = KernelBench().charging(limit_ma=32000)
    bench.granted_ma = None
    overtaken_ms = bench.clock_ms
    bench.run(100)
    bench.kernel.lease(MODE_AC, 10000, 1000, bench.clock_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 1000, overtaken_ms)
    bench.run(100)
    bench.kernel.lease(MODE_NONE, 0, 0, bench.clock_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 1000, overtaken_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 5000, overtaken_ms)
    assert bench.kernel.lease_left_ms() == 0
    bench.run(100)
    assert bench.kernel.lease(MODE_AC, 16000, 1000, bench.clock_ms)


def test_a_lease_that_was_longer_under_way_than_the_one_before_it_is_taken() -> None:
    bench = KernelBench()
    bench.tick()
    bench.grant(16000)
    for age_ms in (0, 50, 5, 90, 190):
        bench.run(100)
        assert bench.kernel.lease(MODE_AC, 16000, 1000, bench.clock_ms - age_ms)
        assert bench.kernel.lease_left_ms() == 1000 - age_ms


def test_a_withdrawal_counts_however_old_it_is() -> None:
    bench = KernelBench().charging()
    assert not bench.kernel.lease(MODE_NONE, 0, 0, (bench.clock_ms - 60_000) % TICKS_PERIOD)
    assert bench.kernel.lease_left_ms() == 0


@pytest.mark.parametrize("step_ms", [1 << 26, 1 << 27])
def test_an_expired_lease_does_not_come_back_when_the_clock_has_turned(
    monkeypatch: pytest.MonkeyPatch, step_ms: int
) -> None:
    monkeypatch.setattr(safety, "OVERRUN_MS", 1 << 28)  # so that days can pass in a few steps
    bench = KernelBench()
    bench.run(100)
    bench.grant(16000)
    bench.run(2000)
    for _ in range(64):
        bench.tick(step_ms)
        assert bench.kernel.lease_left_ms() == 0


def test_a_new_lease_is_taken_however_long_the_last_one_is_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "OVERRUN_MS", 1 << 28)
    bench = KernelBench()
    for _ in range(40):
        bench.tick(1 << 26)
        for _ in range(2):
            assert bench.grant(16000)
            bench.tick(1 << 26)


def test_the_station_can_only_narrow_the_boards_own_limit() -> None:
    for limit_ma, told_ma in ((80000, 31998), (32001, 31998), (32000, 31998), (16000, 15996), (6000, 6000)):
        bench = KernelBench(max_ma=32000)
        bench.level_mv, bench.granted_ma = LEVEL_B, limit_ma
        bench.run(1000)
        assert bench.kernel.limit_ma == told_ma


def test_a_board_that_may_not_carry_six_amperes_never_closes() -> None:
    bench = KernelBench(max_ma=5999)
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.never("close or PWM", lambda: bench.kernel.close or bench.kernel.duty != DUTY_X1, 5000)
    assert not bench.grant(16000)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C])
def test_the_duty_changes_at_most_every_five_seconds(level_mv: int) -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = level_mv, 16000
    bench.run_until("PWM", lambda: bench.kernel.duty == 2666, 1000)
    changes = []
    before, limit_ma = bench.kernel.duty, 16000
    for _ in range(6000):
        limit_ma = 6000 + (limit_ma * 7 + 1013) % 26000
        bench.granted_ma = limit_ma
        bench.tick()
        if bench.kernel.duty != before:
            changes.append(bench.now_ms)
            before = bench.kernel.duty
    assert len(changes) == 6, "once every five seconds in thirty"
    assert all(5000 <= later - earlier <= 5005 for earlier, later in itertools.pairwise(changes))


def test_a_fall_of_the_limit_is_shown_as_soon_as_the_spacing_allows() -> None:
    bench = KernelBench().charging(limit_ma=32000)
    bench.run(10_000)
    bench.granted_ma = 10000
    assert bench.run_until("the new duty", lambda: bench.kernel.duty == 1666, 1000) <= 110
    bench.granted_ma = 6000
    assert 4900 <= bench.run_until("the next", lambda: bench.kernel.duty == 1000, 6000) <= 5005


def test_x1_waits_for_no_spacing_and_neither_does_the_duty_after_it() -> None:
    bench = KernelBench().charging(limit_ma=16000)
    for limit_ma, permyriad in ((20000, 3333), (10000, 1666)):
        bench.granted_ma = None
        bench.kernel.lease(MODE_NONE, 0, 0, bench.clock_ms)
        bench.tick()
        assert bench.kernel.duty == DUTY_X1
        bench.tick()
        bench.granted_ma = limit_ma
        bench.run(110)
        assert bench.kernel.duty == permyriad
