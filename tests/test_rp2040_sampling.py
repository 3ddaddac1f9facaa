"""When a sample of the pilot wire counts: windows, settling, the ring and the age of a reading."""

from __future__ import annotations

import pytest

from pilotwire.firmware.kernel import duty
from pilotwire.firmware.pilot import rp2040_sampling as sampling
from pilotwire.firmware.pilot.rp2040_sampling import PER_PERIOD
from test_pilot_pins import Small


def span_us10(result: int) -> tuple[int, int]:
    """Earliest and latest instant at which a result was taken, in tenths of a microsecond after the rising edge."""
    return 40 * result - 20, 40 * (result + 1) - 20


@pytest.mark.parametrize(
    ("permyriad", "high", "low"),
    [
        (10000, (3, 250), None),  # X1
        (9700, (3, 242), (246, 250)),
        (9600, (3, 240), (243, 250)),  # the largest duty that the kernel shows
        (5000, (3, 125), (128, 250)),
        (1000, (3, 25), (28, 250)),
        (800, (3, 20), (23, 250)),  # the smallest nominal one
        (500, (3, 12), (16, 250)),  # 50 us: nine results
        (0, None, (3, 250)),  # state F
    ],
)
def test_the_windows_of_a_duty(permyriad: int, high: tuple[int, int] | None, low: tuple[int, int] | None) -> None:
    end, first = sampling.high_end(permyriad), sampling.low_first(permyriad)
    assert ((sampling.first_sample(0), end) if end else None) == high
    assert ((first, PER_PERIOD) if first < PER_PERIOD else None) == low


def test_no_result_of_the_first_10_us_of_a_5_per_cent_pulse_counts_and_none_of_its_last_2() -> None:
    spans = [span_us10(result) for result in range(sampling.first_sample(0), sampling.high_end(500))]
    assert len(spans) == 9
    assert min(spans)[0] >= 100
    assert max(spans)[1] <= 480
    assert span_us10(sampling.first_sample(0) - 1)[0] < 100, "the one before could have been taken too early"


def test_each_window_holds_all_results_that_must_count_and_no_other() -> None:
    for permyriad in range(10001):
        high = range(sampling.first_sample(0), sampling.high_end(permyriad))
        low = range(sampling.low_first(permyriad), PER_PERIOD)
        sure_high = [k for k in range(250) if span_us10(k)[0] >= 100 and span_us10(k)[1] <= permyriad - 20]
        sure_low = [k for k in range(250) if span_us10(k)[0] >= permyriad + 100 and span_us10(k)[1] <= 9980]
        assert list(high) == (sure_high if len(sure_high) >= sampling.ENOUGH else []), permyriad
        assert list(low) == (sure_low if len(sure_low) >= sampling.ENOUGH else []), permyriad


def test_every_duty_that_the_kernel_can_show_has_a_window_for_each_of_its_levels() -> None:
    shown = {duty.duty_permyriad(limit_ma) for limit_ma in range(duty.MIN_MA, duty.MAX_MA + 1, 10)} | {duty.DUTY_HLC}
    assert (min(shown), max(shown)) == (500, 9600)
    for permyriad in shown:
        assert sampling.high_end(permyriad) > 0
        assert sampling.low_first(permyriad) < PER_PERIOD


@pytest.mark.parametrize("permyriad", [1, 100, 200, 9780, 9900, 9999])
def test_a_pulse_too_short_to_be_seen_has_no_window(permyriad: int) -> None:
    assert (sampling.high_end(permyriad) == 0) == (permyriad < 5000)
    assert (sampling.low_first(permyriad) == PER_PERIOD) == (permyriad > 5000)


def test_the_samples_of_a_mean_are_spread_over_the_window_and_never_leave_it() -> None:
    for count in range(sampling.ENOUGH, PER_PERIOD + 1):
        taken = list(range(0, count, sampling.stride(count)))[: sampling.TAKE]
        assert len(taken) == min(count, sampling.TAKE)
        assert taken[-1] < count
        assert count <= sampling.TAKE or taken[-1] >= count // 2 - 1, "not only at the beginning"


def test_a_mean_uses_the_whole_of_16_bits_and_never_goes_back() -> None:
    assert (sampling.mean_u16(0, 8), sampling.mean_u16(8 * 4095, 8)) == (0, 65535)
    means = [sampling.mean_u16(total, 8) for total in range(8 * 4095 + 1)]
    assert means == sorted(means)
    for total in range(0, 8 * 4095 + 1, 97):
        assert sampling.mean_u16(total, 8) == pytest.approx(total / 8 * 65535 / 4095, abs=18)


@pytest.mark.parametrize(("mark", "following"), [(0, 250), (1000, 1250), (2000, 202), (2047, 249), (1798, 0)])
def test_a_period_is_whole_wherever_the_ring_wraps(mark: int, following: int) -> None:
    assert sampling.is_whole(mark, following)
    for slack in (-1, 1):
        assert sampling.is_whole(mark, (following + slack) % sampling.RING)
    for wrong in (-250, -2, 2, 250, 1024):
        assert not sampling.is_whole(mark, (following + wrong) % sampling.RING)


def test_a_period_that_has_lasted_too_long_is_not_running_any_more() -> None:
    for mark in (0, 1000, 2047):
        for length, running in ((0, True), (250, True), (251, True), (252, False), (2047, False)):
            assert sampling.is_running(mark, (mark + length) % sampling.RING) is running


def test_wraps_are_counted_across_the_end_of_the_marks() -> None:
    assert [sampling.wraps(slot, 14) for slot in (14, 15, 0, 3, 13)] == [0, 1, 2, 5, 15]


def test_only_a_period_that_began_after_a_change_counts() -> None:
    # One wrap after the change the running period is the first with it; back = 1 is the one that ended at this wrap.
    assert [sampling.started_after(1, since) for since in (-1, 0, 1, 2)] == [False, False, False, True]
    assert [sampling.started_after(4, since) for since in (4, 5)] == [False, True]
    assert sampling.since(-3, 2) == -1
    assert sampling.since(sampling.MARKS - 1, 5) == sampling.MARKS


def test_the_oldest_period_that_is_looked_for_is_still_in_the_ring() -> None:
    # At the end of a reading the start of that period is back + 1 periods old, and as many more as there may be late wraps.
    oldest = (sampling.LOOKBACK + 1 + sampling.LATE_WRAPS) * (PER_PERIOD + sampling.SLACK)
    assert oldest <= sampling.RING


def test_two_periods_bring_the_pilot_wire_and_four_a_slow_input_wherever_the_plan_begins() -> None:
    plan = sampling.PLAN * 4
    for start in range(len(sampling.PLAN)):
        # Of two periods in a row one is the pilot wire's, of four one is a slow input's.
        assert sampling.PILOT in plan[start : start + 2]
        assert plan[start : start + 4].count(sampling.SLOW) == 1
    assert sampling.MARKS % len(sampling.PLAN) == 0


@pytest.mark.parametrize(
    ("clock_hz", "divide"), [(125_000_000, 2), (150_000_000, 3), (200_000_000, 4), (133_000_000, 4), (48_000_000, 1)]
)
def test_the_pwm_divider_makes_exactly_1_khz(clock_hz: int, divide: int) -> None:
    assert sampling.divider(clock_hz) == divide
    assert clock_hz / divide / (clock_hz // (1000 * divide)) == 1000


def test_a_clock_that_makes_no_1_khz_is_refused() -> None:
    with pytest.raises(ValueError, match="125000001 Hz"):
        sampling.divider(125_000_001)


@pytest.mark.parametrize("counts", [62500, 50000, 65535])
def test_the_compare_value_is_never_above_the_duty_and_both_ends_are_constant(counts: int) -> None:
    assert (sampling.compare(0, counts), sampling.compare(10000, counts)) == (0, counts)
    for permyriad in range(10001):
        value = sampling.compare(permyriad, counts)
        assert value * 10000 <= permyriad * counts < (value + 1) * 10000


def test_no_intermediate_reaches_2_to_the_30() -> None:
    for permyriad in range(0, 10001, 125):
        sampling.compare(Small(permyriad), Small(65535))
        sampling.high_end(Small(permyriad))
        sampling.low_first(Small(permyriad))
    sampling.mean_u16(Small(8 * 4095), Small(8))
    sampling.is_whole(Small(2047), Small(0))
