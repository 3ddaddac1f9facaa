"""The diode check: when the negative level is judged, at which voltage, for how long, and what follows from it."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, KernelBench
from kernel_exact import exactly
from pilotwire.firmware.kernel import duty, faults, params, table
from pilotwire.firmware.kernel.diode import Diode

GOOD_MV = -12000
BAD_MV = -5600


def fed(diode: Diode, low_mv: int, ms: int, pwm: bool = True, car: bool = True) -> tuple[bool, bool]:
    """Feed milliseconds one by one; returns (good, bad)."""
    for _ in range(ms):
        diode.update(low_mv, pwm, car, 1)
    return diode.good, diode.bad


def test_at_boot_the_diode_is_neither_good_nor_bad() -> None:
    assert (Diode().good, Diode().bad) == (False, False)


def test_pwm_must_have_run_20_ms_and_then_100_ms_prove_the_diode() -> None:
    diode = Diode()
    # The sample at 20 ms is the first that counts, and it counts its own millisecond.
    assert fed(diode, GOOD_MV, 118) == (False, False)
    assert fed(diode, GOOD_MV, 1) == (True, False)
    assert fed(diode, GOOD_MV, 10_000) == (True, False)


def test_50_ms_of_a_loaded_negative_level_prove_that_there_is_none() -> None:
    diode = Diode()
    assert fed(diode, BAD_MV, 68) == (False, False)
    assert fed(diode, BAD_MV, 1) == (False, True)
    assert fed(diode, BAD_MV, 10_000) == (False, True)


@pytest.mark.parametrize(
    ("low_mv", "ms", "good", "bad"),
    [(GOOD_MV, 99, False, False), (GOOD_MV, 100, True, False), (BAD_MV, 49, False, False), (BAD_MV, 50, False, True)],
)
def test_the_first_sample_that_counts_counts_for_as_long_as_it_lasted(
    low_mv: int, ms: int, good: bool, bad: bool
) -> None:
    diode = Diode()
    diode.update(low_mv, True, True, ms)
    assert (diode.good, diode.bad) == (good, bad)


@pytest.mark.parametrize(
    ("low_mv", "good"), [(-12600, True), (-10001, True), (-10000, True), (-9999, False), (0, False)]
)
def test_the_negative_level_must_reach_minus_10_v(low_mv: int, good: bool) -> None:
    diode = Diode()
    assert fed(diode, low_mv, 200) == (good, not good)


def test_one_bad_sample_takes_all_good_evidence_back_and_a_good_one_as_much_of_the_bad_as_it_lasted() -> None:
    diode = Diode()
    fed(diode, GOOD_MV, 200)
    for _ in range(5):
        assert fed(diode, BAD_MV, 49) == (False, False)
        assert fed(diode, GOOD_MV, 99) == (False, False)
    assert fed(diode, GOOD_MV, 1) == (True, False)
    assert fed(diode, BAD_MV, 1) == (False, False)
    assert fed(diode, BAD_MV, 49) == (False, True)
    assert fed(diode, GOOD_MV, 1) == (False, False)
    assert fed(diode, BAD_MV, 1) == (False, True)


@pytest.mark.parametrize(("bad_of_10", "bad"), [(9, True), (6, True), (5, False)])
def test_a_half_wave_that_is_loaded_more_often_than_not_is_no_car(bad_of_10: int, bad: bool) -> None:
    diode = Diode()
    fed(diode, GOOD_MV, 200)
    seen = False
    for number in range(1000):
        seen = seen or fed(diode, BAD_MV if number % 10 < bad_of_10 else GOOD_MV, 1)[1]
    assert seen == bad


def test_without_pwm_there_is_no_evidence_and_with_it_the_wire_settles_anew() -> None:
    for low_mv, needed_ms in ((GOOD_MV, 100), (BAD_MV, 50)):
        diode = Diode()
        fed(diode, low_mv, 500)
        assert fed(diode, low_mv, 1, pwm=False) == (False, False)
        assert fed(diode, low_mv, 500, pwm=False) == (False, False)
        assert not any(fed(diode, low_mv, 20 + needed_ms - 2))
        assert any(fed(diode, low_mv, 1))


def test_without_a_car_there_is_no_evidence_but_the_wire_has_settled() -> None:
    for low_mv, needed_ms in ((GOOD_MV, 100), (BAD_MV, 50)):
        diode = Diode()
        fed(diode, low_mv, 500)
        assert fed(diode, low_mv, 500, car=False) == (False, False)
        assert not any(fed(diode, low_mv, needed_ms - 1))
        assert any(fed(diode, low_mv, 1))


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C, LEVEL_D])
def test_a_car_is_closed_119_ms_after_pwm_began_and_not_before_its_diode_is_proven(level_mv: int) -> None:
    bench = KernelBench((params.FITTED, params.VENTILATION))
    bench.level_mv = level_mv
    bench.run(1000)
    bench.granted_ma = 16000
    bench.run_until("PWM", lambda: bench.kernel.phase == table.OFFERING, 200, tick_ms=1)
    if level_mv == LEVEL_B:
        bench.level_mv = LEVEL_C
        exactly(bench, "close: proven in B already", lambda: bench.kernel.close, 250, tick_ms=1)
    else:
        exactly(bench, "close", lambda: bench.kernel.close, 119, tick_ms=1)


@pytest.mark.parametrize("level_mv", [LEVEL_B, LEVEL_C, LEVEL_D])
def test_a_car_without_diode_is_never_closed_and_is_a_fault_69_ms_after_pwm_began(level_mv: int) -> None:
    bench = KernelBench((params.FITTED, params.VENTILATION))
    bench.level_mv, bench.low_mv = level_mv, BAD_MV
    bench.run(1000)
    bench.granted_ma = 16000
    bench.run_until("PWM", lambda: bench.kernel.phase == table.OFFERING, 200, tick_ms=1)
    exactly(bench, "the fault", lambda: bench.kernel.faults == faults.DIODE, 69, tick_ms=1)
    assert (bench.kernel.phase, bench.kernel.duty) == (table.SHOWING_F, duty.DUTY_F)
    bench.never("close", lambda: bench.kernel.close or not bench.kernel.faults, 40_000, tick_ms=40)


@pytest.mark.parametrize("level_mv", [LEVEL_C, LEVEL_D])
def test_a_diode_that_is_lost_while_charging_opens_the_contactor_after_50_ms(level_mv: int) -> None:
    bench = KernelBench((params.FITTED, params.VENTILATION)).charging()
    bench.level_mv = level_mv
    bench.run(1000)
    bench.low_mv = -9999
    exactly(bench, "open", lambda: not bench.kernel.close, 50)
    assert (bench.kernel.faults, bench.kernel.phase) == (faults.DIODE, table.SHOWING_F)


def test_while_stopping_there_is_no_pwm_to_judge() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.run_until("X1", lambda: bench.kernel.phase == table.STOPPING, 1200)
    bench.never("a fault", lambda: bench.kernel.faults or not bench.kernel.close, 5000)


def test_an_open_wire_is_not_judged() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(1000)
    bench.low_mv, bench.level_mv = 0, LEVEL_A  # unplugged: whatever hangs on the plug, it is no car
    bench.run(49, tick_ms=1)
    assert not bench.kernel.faults
    bench.never("a fault", lambda: bench.kernel.faults, 1000)


def test_only_unplugging_clears_a_missing_diode() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma, bench.low_mv = LEVEL_B, 16000, BAD_MV
    bench.run_until("the fault", lambda: bench.kernel.faults == faults.DIODE, 1000)
    bench.low_mv = GOOD_MV
    bench.never("recovery", lambda: bench.kernel.faults != faults.DIODE, 5000)
    bench.level_mv = LEVEL_A
    exactly(bench, "recovery", lambda: not bench.kernel.faults, 50)
