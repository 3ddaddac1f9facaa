"""BCB toggles: how long a pulse lasts, how many make a toggle, what voids one, and that no pulse is none."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_UNDEFINED, KernelBench
from kernel_exact import exactly
from pilotwire.firmware.kernel import duty, params, table
from pilotwire.firmware.kernel.lease import REQUEST_STEP_EF
from pilotwire.firmware.kernel.pulses import Pulses

B, C = LEVEL_B, LEVEL_C


def feed(pulses: Pulses, *levels: tuple[int, int]) -> Pulses:
    """Feed (millivolts, milliseconds), one by one; returns pulses."""
    for level_mv, ms in levels:
        for _ in range(ms):
            pulses.update(level_mv, 1)
    return pulses


def report(*levels: tuple[int, int]) -> tuple[int, int]:
    """(sequences, pulses in the last) after a second of B, these levels, and then B until every window is over."""
    pulses = feed(Pulses(), (B, 1000), *levels, (B, 4000))
    return pulses.sequences, pulses.pulses


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_to_three_pulses_are_one_toggle(count: int) -> None:
    assert report(*[(C, 300), (B, 300)] * count) == (1, count)


def test_nothing_is_reported_without_a_pulse() -> None:
    assert report() == (0, 0)


@pytest.mark.parametrize(
    ("ms", "valid"), [(19, 0), (20, 0), (149, 0), (150, 1), (200, 1), (400, 1), (450, 1), (451, 0)]
)
def test_a_pulse_lasts_200_to_400_ms_with_50_ms_of_tolerance(ms: int, valid: int) -> None:
    assert report((C, ms)) == (valid, valid)


@pytest.mark.parametrize("ms", [149, 451, 1000])
def test_a_pulse_of_a_wrong_length_voids_the_sequence(ms: int) -> None:
    assert report((C, 300), (B, 300), (C, ms)) == (0, 0)
    assert report((C, ms), (B, 300), (C, 300), (B, 300)) == (1, 1)
    assert report((C, 300), (B, 300), (C, ms), (B, 300), (C, 300)) == (1, 1)


@pytest.mark.parametrize("level_mv", [LEVEL_A, LEVEL_D, LEVEL_E, LEVEL_UNDEFINED])
def test_another_level_voids_the_sequence(level_mv: int) -> None:
    for ms in (20, 300):
        assert report((C, 300), (B, 300), (level_mv, ms)) == (0, 0)
        assert report((C, 300), (level_mv, ms)) == (0, 0)
        assert report((level_mv, ms), (C, 300)) == (0, 0)
        assert report((level_mv, ms), (B, 20), (C, 300)) == (1, 1)
        assert report((level_mv, ms)) == (0, 0)


def test_a_glitch_shorter_than_20_ms_is_not_seen() -> None:
    assert report((C, 300), (LEVEL_A, 19), (B, 300)) == (1, 1)
    assert report((C, 150), (B, 19), (C, 150)) == (1, 1)
    assert report((C, 100), (B, 20), (C, 100)) == (0, 0)
    # Glimpses do not add up.
    assert report(*[(C, 19), (B, 1)] * 30) == (0, 0)


def test_three_pulses_are_reported_as_soon_as_the_third_is_over() -> None:
    pulses = feed(Pulses(), (B, 1000), *[(C, 300), (B, 300)] * 2, (C, 300), (B, 19))
    assert (pulses.sequences, pulses.pulses) == (0, 0)
    feed(pulses, (B, 1))
    assert (pulses.sequences, pulses.pulses) == (1, 3)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_pulses_are_reported_when_the_window_of_3700_ms_is_over(count: int) -> None:
    # The window runs from the evidence of the first edge, 20 ms after it.
    pulses = feed(Pulses(), (B, 1000), *[(C, 300), (B, 300)] * count, (B, 3700 + 20 - 600 * count - 1))
    assert (pulses.sequences, pulses.pulses) == (0, 0)
    feed(pulses, (B, 1))
    assert (pulses.sequences, pulses.pulses) == (1, count)


def test_a_pulse_counts_up_to_the_last_millisecond_of_the_window() -> None:
    first = ((C, 300), (B, 300))
    assert report(*first, (B, 3700 - 300 - 600), (C, 300)) == (1, 2)
    assert report(*first, (B, 3701 - 300 - 600), (C, 300)) == (1, 1)


def test_what_is_left_of_a_sequence_after_its_window_counts_for_no_other() -> None:
    late = ((C, 300), (B, 3300), (C, 300), (B, 1000))
    assert report(*late) == (1, 1)
    # Whatever comes later begins anew, and a C without a way back is no pulse.
    pulses = feed(Pulses(), (B, 1000), *late, (C, 20_000))
    assert (pulses.sequences, pulses.pulses) == (1, 1)
    assert report(*late, (C, 300), (B, 300), (C, 300)) == (2, 2)


def test_a_c_that_lasts_is_no_pulse_and_its_window_ends_without_a_toggle() -> None:
    pulses = feed(Pulses(), (B, 1000), (C, 10_000))
    assert (pulses.sequences, pulses.pulses) == (0, 0)
    assert report((C, 10_000), (B, 300), (C, 300)) == (1, 1)


def test_each_toggle_is_counted_modulo_256_and_has_its_own_number_of_pulses() -> None:
    pulses = feed(Pulses(), (B, 100))
    for number, count in enumerate((3, 1, 2, 3), 1):
        feed(pulses, *[(C, 200), (B, 200)] * count, (B, 4000))
        assert (pulses.sequences, pulses.pulses) == (number, count)
    pulses.sequences = 255
    feed(pulses, *[(C, 200), (B, 200)] * 3)
    assert (pulses.sequences, pulses.pulses) == (0, 3)


def test_a_fourth_pulse_begins_another_sequence() -> None:
    assert report(*[(C, 300), (B, 300)] * 4) == (2, 1)


def test_the_hysteresis_of_the_bands_holds_for_pulses_too() -> None:
    # 7300 mV is B for one that comes from B, 7700 mV is C for one that comes from C.
    assert report((7300, 300)) == (0, 0)
    assert report((7299, 150), (7700, 150)) == (1, 1)


def test_the_first_level_takes_20_ms_of_evidence_too() -> None:
    assert feed(Pulses(), (B, 20), (C, 300), (B, 4000)).sequences == 1
    assert feed(Pulses(), (B, 19), (C, 300), (B, 4000)).sequences == 0


def test_a_level_that_has_just_been_believed_is_left_no_faster() -> None:
    # 19 ms of B are not seen in this pulse of 159 ms; were they, there would be two pulses that are too short.
    assert report((C, 20), (B, 19), (C, 120)) == (1, 1)


@pytest.mark.parametrize("level_mv", [LEVEL_A, LEVEL_D, LEVEL_E, LEVEL_UNDEFINED])
def test_what_another_level_has_voided_is_not_reported_when_the_window_would_be_over(level_mv: int) -> None:
    assert feed(Pulses(), (B, 20), (C, 300), (B, 300), (level_mv, 4000)).sequences == 0
    assert feed(Pulses(), (B, 20), (C, 300), (level_mv, 4000)).sequences == 0


def test_a_sequence_after_a_void_one_has_a_window_of_its_own() -> None:
    second = ((C, 300), (B, 300), (C, 300))
    assert report((C, 300), (B, 300), (LEVEL_A, 20), (B, 2600), *second) == (1, 2)


@pytest.mark.parametrize("tick_ms", [5, 20])
def test_longer_ticks_see_the_same_toggle(tick_ms: int) -> None:
    pulses = Pulses()
    for level_mv, ms in ((B, 200), (C, 200), (B, 200), (C, 400), (B, 4000)):
        for _ in range(0, ms, tick_ms):
            pulses.update(level_mv, tick_ms)
    assert (pulses.sequences, pulses.pulses) == (1, 2)


def test_a_hidden_level_voids_the_sequence_and_the_next_level_begins_anew() -> None:
    pulses = feed(Pulses(), (B, 1000), (C, 300), (B, 300))
    pulses.stop()
    feed(pulses, (B, 5000))
    assert (pulses.sequences, pulses.pulses) == (0, 0)
    feed(pulses, (C, 300))
    pulses.stop()
    feed(pulses, (C, 10), (B, 5000))
    assert (pulses.sequences, pulses.pulses) == (0, 0)
    feed(pulses, (C, 300), (B, 4000))
    assert (pulses.sequences, pulses.pulses) == (1, 1)
    # Evidence for the next level is void as well.
    feed(pulses, (C, 19))
    pulses.stop()
    feed(pulses, (B, 19), (C, 19), (B, 5000))
    assert pulses.sequences == 1


@pytest.mark.parametrize("seen", [[(C, 300)], [(B, 19), (C, 300)], [(B, 1), (C, 300)]])
@pytest.mark.parametrize("before", [[(B, 1000)], [(B, 1000), (C, 19)]])
def test_after_a_hidden_level_a_c_is_no_pulse_before_20_ms_of_b(
    before: list[tuple[int, int]], seen: list[tuple[int, int]]
) -> None:
    pulses = feed(Pulses(), *before)
    pulses.stop()
    assert feed(pulses, *seen, (B, 4000)).sequences == 0


def toggle(bench: KernelBench, count: int, pulse_ms: int = 300) -> None:
    """A car that sleeps in B goes to C and back."""
    for _ in range(count):
        bench.level_mv = C
        bench.run(pulse_ms)
        bench.level_mv = B
        bench.run(300)


@pytest.mark.parametrize("leased", [False, True])
def test_the_kernel_reports_a_toggle_in_x1_and_under_pwm_and_does_not_close_for_a_short_one(leased: bool) -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = B, 16000 if leased else None
    bench.run(1000)
    assert (bench.kernel.duty == duty.DUTY_X1) is not leased
    toggle(bench, 2, pulse_ms=200)
    bench.run(4000)
    assert (bench.kernel.bcb_sequences, bench.kernel.bcb_pulses, bench.kernel.cycles) == (1, 2, 0)


def test_the_kernel_reports_no_toggle_for_a_car_that_just_asks_for_power() -> None:
    bench = KernelBench().charging()
    bench.run(5000)
    bench.level_mv = B
    bench.run(5000)
    assert (bench.kernel.bcb_sequences, bench.kernel.bcb_pulses, bench.kernel.cycles) == (0, 0, 1)


@pytest.mark.parametrize("hidden_by", ["F", "cp_off", "lost time"])
def test_a_sequence_during_which_the_kernel_could_not_see_the_car_is_none(hidden_by: str) -> None:
    bench = KernelBench((params.WAKE_AFTER_MS, 1010))
    bench.level_mv, bench.granted_ma = B, 16000
    bench.run_until("PWM", lambda: bench.kernel.phase == table.OFFERING, 1000)
    bench.run(400)
    toggle(bench, 1, pulse_ms=200)
    if hidden_by == "F":
        bench.kernel.request(REQUEST_STEP_EF)
        exactly(bench, "F", lambda: bench.kernel.duty == duty.DUTY_F, 1)
    elif hidden_by == "cp_off":
        bench.run_until("wake-up", lambda: bench.kernel.cp_off, 200)
    else:
        bench.tick(41)
        bench.granted_ma = None
    bench.run(10_000)
    assert (bench.kernel.bcb_sequences, bench.kernel.bcb_pulses) == (0, 0)
    toggle(bench, 1, pulse_ms=200)
    bench.run(4000)
    assert (bench.kernel.bcb_sequences, bench.kernel.bcb_pulses) == (1, 1)
