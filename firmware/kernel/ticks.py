"""Pilot time is modular, and timers saturate.

A counter of milliseconds that wraps at 2**30, as `time.ticks_ms()` does on an RP2040 (docs.micropython.org, `time`).
Two instants can therefore only be compared through their difference, and only while they are less than half
a turn (6.2 days) apart. Everything that may last longer is a timer that adds up and stops at LONG_MS.
"""

TICKS_PERIOD = 1 << 30
_MASK = TICKS_PERIOD - 1
_HALF = TICKS_PERIOD >> 1

LONG_MS = 1 << 28  # 74 h: longer than any time of the kernel, and far enough below 2**30 to add to


def elapsed(now_ms: int, then_ms: int) -> int:
    """Milliseconds from then_ms to now_ms; negative when then_ms lies ahead. Range -2**29 .. 2**29 - 1."""
    diff = (now_ms - (then_ms & _MASK)) & _MASK
    return diff - _HALF - _HALF if diff >= _HALF else diff  # in two steps: 2**30 itself is no small integer


def add(total_ms: int, passed_ms: int) -> int:
    """A timer of total_ms after passed_ms more; it stops at LONG_MS."""
    total_ms += passed_ms
    return total_ms if total_ms < LONG_MS else LONG_MS


def evidence(total_ms: int, there: bool, passed_ms: int, most_ms: int) -> int:
    """Evidence for something: grows up to most_ms while it is there, and goes as it came while it is not.

    One sample of the other kind does not take all of it away: a loose contact would never be noticed.
    """
    if there:
        return min(total_ms + passed_ms, most_ms)
    return less(total_ms, passed_ms)


def less(total_ms: int, passed_ms: int) -> int:
    """A timer of total_ms after it has gone down by passed_ms; it stops at 0."""
    return total_ms - passed_ms if total_ms > passed_ms else 0
