"""Pilot time is modular.

A counter of milliseconds that wraps at 2**30, as `time.ticks_ms()` does on an RP2040 (docs.micropython.org, `time`).
Two instants can therefore only be compared through their difference, and only while they are less than half
a turn (6.2 days) apart.
"""

TICKS_PERIOD = 1 << 30
_MASK = TICKS_PERIOD - 1
_HALF = TICKS_PERIOD >> 1


def elapsed(now_ms: int, then_ms: int) -> int:
    """Milliseconds from then_ms to now_ms; negative when then_ms lies ahead. Range -2**29 .. 2**29 - 1."""
    diff = (now_ms - (then_ms & _MASK)) & _MASK
    return diff - _HALF - _HALF if diff >= _HALF else diff  # in two steps: 2**30 itself is no small integer
