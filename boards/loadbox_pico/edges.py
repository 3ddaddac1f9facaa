"""Duty and frequency of a pilot wire that somebody else drives: arithmetic behind a PIO state machine. MicroPython subset.

The state machine (edge_timer.py) counts down while the wire is high and again while it is low, and pushes one word for each half:

    high  0xFFFFFFFF less the rounds, so that the top bit is set
    low   0x7FFFFFFF less the rounds, so that it is not

A half of n rounds lasted 2 n + 4 cycles of the chip's clock: a round has two instructions, and the four are those between two
loops; edge_timer.py counts them. Words are lost when nobody takes them in time; the top bit tells which half is which, so that a
lost one spoils one pair.
"""

TOP = 0x80000000
_HIGH_ZERO = 0xFFFFFFFF
_LOW_ZERO = 0x7FFFFFFF
_CYCLES_PER_ROUND = 2
_CYCLES_BETWEEN = 4
CONSTANT_MS = 20  # no edge for so long: the signal is constant
_SLOWEST_HZ = 100  # what takes longer is no period of a pilot signal: a half of it was constant


def cycles_of(word: int) -> int:
    """How many cycles the half lasted that this word stands for."""
    zero = _HIGH_ZERO if word & TOP else _LOW_ZERO
    return (zero - word) * _CYCLES_PER_ROUND + _CYCLES_BETWEEN


def word_of(cycles: int, high: bool) -> int:
    """The inverse, for whoever stands in for the state machine."""
    return (_HIGH_ZERO if high else _LOW_ZERO) - max(0, cycles - _CYCLES_BETWEEN) // _CYCLES_PER_ROUND


class Edges:
    """`duty_permyriad` 0..10000 and `frequency_mhz` (millihertz) of the last periods; a constant signal has 0 mHz.

    `clock_hz` is the state machine's clock.
    """

    def __init__(self, clock_hz: int) -> None:
        self.duty_permyriad = 0
        self.frequency_mhz = 0
        self._clock_hz = clock_hz
        self._high = -1  # cycles of a high half whose low half has not come yet
        self._high_total = 0
        self._low_total = 0
        self._pairs = 0
        self._silent_ms = CONSTANT_MS

    def take(self, word: int) -> None:
        """One word of the state machine."""
        cycles = cycles_of(word)
        if word & TOP:
            self._high = cycles
            return
        if self._high >= 0 and self._high + cycles < self._clock_hz // _SLOWEST_HZ:
            self._high_total += self._high
            self._low_total += cycles
            self._pairs += 1
        self._high = -1

    def tick(self, passed_ms: int, level: int) -> None:
        """Bring the values up to date from what has been taken since the last call; `level` is the wire's level now."""
        total = self._high_total + self._low_total
        if self._pairs:
            self.duty_permyriad = (self._high_total * 10000 + total // 2) // total
            self.frequency_mhz = (self._clock_hz * 1000 * self._pairs + total // 2) // total
            self._silent_ms = 0
        else:
            self._silent_ms = min(self._silent_ms + passed_ms, CONSTANT_MS)
            if self._silent_ms >= CONSTANT_MS:
                self.duty_permyriad = 10000 if level else 0
                self.frequency_mhz = 0
        self._high_total = self._low_total = self._pairs = 0
