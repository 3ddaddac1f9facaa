"""Duty cycle and current, both ways, against a reference written here from the fact sheet, section 2."""

from __future__ import annotations

import pytest

from pilotwire.boards.sim import car
from pilotwire.firmware.kernel import duty
from pilotwire.firmware.pilot import frontend


def reference_percent(limit_a: float) -> float:
    """Duty in per cent for a current: I/0.6 up to 51 A, I/2.5 + 64 above; the lines do not meet (85 % = 51 A)."""
    if limit_a < 6.0:
        return 100.0
    if limit_a <= 51.0:
        return limit_a / 0.6
    return max(85.0, min(limit_a, 80.0) / 2.5 + 64.0)


def reference_a(percent: float) -> float:
    """Current in amperes that a duty allows: the table from the car's side."""
    if percent < 8.0 or percent > 97.0:
        return 0.0
    if percent < 10.0:
        return 6.0
    if percent <= 85.0:
        return 0.6 * percent
    return 2.5 * (percent - 64.0) if percent <= 96.0 else 80.0


@pytest.mark.parametrize(
    ("limit_ma", "permyriad"),
    [
        (0, 10000),
        (5999, 10000),
        (6000, 1000),
        (6005, 1000),
        (6006, 1001),
        (10000, 1666),
        (13000, 2166),
        (16000, 2666),
        (16900, 2816),
        (20000, 3333),
        (32000, 5333),
        (48000, 8000),
        (50999, 8499),
        (51000, 8500),
        (51001, 8500),
        (52499, 8500),
        (52500, 8500),
        (52524, 8500),
        (52525, 8501),
        (55000, 8600),
        (60000, 8800),
        (63000, 8920),
        (70000, 9200),
        (79999, 9599),
        (80000, 9600),
        (125000, 9600),
    ],
)
def test_a_limit_has_this_duty(limit_ma: int, permyriad: int) -> None:
    assert duty.duty_permyriad(limit_ma) == permyriad


@pytest.mark.parametrize(
    ("permyriad", "advertised_ma"),
    [
        (0, 0),
        (299, 0),
        (500, 0),
        (799, 0),
        (800, 6000),
        (999, 6000),
        (1000, 6000),
        (1600, 9600),
        (5333, 31998),
        (8500, 51000),
        (8501, 52525),
        (8800, 60000),
        (9600, 80000),
        (9601, 80000),
        (9700, 80000),
        (9701, 0),
        (10000, 0),
    ],
)
def test_a_duty_allows_this_current(permyriad: int, advertised_ma: int) -> None:
    assert duty.advertised_ma(permyriad) == advertised_ma


def test_every_duty_reads_as_the_reference_says() -> None:
    for permyriad in range(10001):
        assert duty.advertised_ma(permyriad) == round(reference_a(permyriad / 100.0) * 1000.0), permyriad


def test_every_limit_is_rounded_down_and_by_less_than_one_step() -> None:
    before = 0
    for limit_ma in range(6000, 80001):
        permyriad = duty.duty_permyriad(limit_ma)
        short_by = reference_percent(limit_ma / 1000.0) * 100.0 - permyriad
        assert -1e-6 <= short_by < 1.0, limit_ma
        assert permyriad >= before, limit_ma
        before = permyriad
        told_ma = duty.advertised_ma(permyriad)
        assert told_ma <= limit_ma
        # one step is 6 mA on the first line and 25 mA on the second; between them lies the gap
        assert told_ma > limit_ma - 25 or (told_ma == 51000 and limit_ma < 52525), limit_ma


def test_no_limit_below_six_amperes_has_a_duty() -> None:
    for limit_ma in range(-10, 6000):
        assert duty.duty_permyriad(limit_ma) == duty.DUTY_X1


def test_above_eighty_amperes_the_duty_stays() -> None:
    assert {duty.duty_permyriad(limit_ma) for limit_ma in range(80000, 200001, 7)} == {9600}


def test_the_car_reads_never_more_than_the_limit_off_the_pwm_register() -> None:
    for limit_ma in range(6000, 80001):
        percent = frontend.duty_u16(duty.duty_permyriad(limit_ma)) / 655.35
        told_a = car.advertised_a(percent / 100.0)
        assert told_a <= limit_ma / 1000.0 + 1e-9, limit_ma
        assert told_a > limit_ma / 1000.0 - 0.032 or 50.99 < told_a <= 51.0, limit_ma


def test_x1_and_f_are_constant_levels_in_the_pwm_register() -> None:
    assert frontend.duty_u16(duty.DUTY_X1) == 65535
    assert frontend.duty_u16(duty.DUTY_F) == 0
    assert [duty.advertised_ma(level) for level in (duty.DUTY_X1, duty.DUTY_F)] == [0, 0]
