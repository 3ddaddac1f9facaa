"""Duty cycle and current, both ways.

Source: project fact sheet on IEC 61851-1 (Table A.7/A.8 of the standard as restated in public firmwares). Duty is an integer
in permyriad (1/100 of a per cent): 10000 = constant +12 V (X1), 0 = constant -12 V (state F), 500 = 5 %.
Rounding is always down: the car must never be told more than the limit.
"""

DUTY_X1 = 10000
DUTY_F = 0
DUTY_HLC = 500  # 5 %: the current is agreed on by digital communication
MIN_MA = 6000
MAX_MA = 80000


def duty_permyriad(limit_ma: int) -> int:
    """Duty that advertises at most limit_ma. Below 6 A there is no such duty: X1, which means pause."""
    if limit_ma < MIN_MA:
        return DUTY_X1
    if limit_ma < 52525:
        # The two lines do not meet: 85 % is 51 A, and the next duty, 85.01 %, is 52.525 A.
        return min(limit_ma // 6, 8500)
    return min(limit_ma, MAX_MA) // 25 + 6400


def advertised_ma(duty: int) -> int:
    """Current in mA that a car may draw at this duty (permyriad); 0 where the duty does not allow charging or means 5 %."""
    if duty < 800 or duty > 9700:
        return 0
    if duty <= 8500:
        return max(duty * 6, MIN_MA)
    return min((duty - 6400) * 25, MAX_MA)
