"""High and low level of a pilot wire that somebody else drives: from samples that know nothing of its phase. MicroPython subset.

The ADC converts without a pause into a ring that holds a little more than one period (SAMPLES of SAMPLE_US). Of a copy of it every
sample near the highest one is high, every sample near the lowest one is low, and what lies between is an edge. Near is a 64th of
the span: ripple and noise lie within it, of an edge hardly anything does. It wants a flat top, which a pilot wire has; an
overshoot of more than a third of a volt would be taken for the level.

Looking at a sample costs several microseconds on the board [not measured], so each tick looks at a quarter of the copy.
"""

from array import array

from pilotwire.firmware.pilot import rp2040_sampling as sampling

SAMPLES = 256
SAMPLE_US = sampling.SAMPLE_US  # 1024 us: one period of 1 kHz, and of anything above 977 Hz
RING_SIZE = 2 * SAMPLES  # bytes
PART = 64
TICKS_PER_ROUND = SAMPLES // PART
FLAT = 137  # 12-bit steps, 1 V: a smaller span is a constant level
NARROWEST = 16  # 117 mV


class Levels:
    """`high_u16` and `low_u16` of the last copy that has been looked at to its end; of a constant signal both are its mean."""

    def __init__(self) -> None:
        self.high_u16 = 0
        self.low_u16 = 0
        self._copy = array("H")
        self._place = 0
        self._high_from = 0
        self._low_to = 0
        self._high_total = 0
        self._high_count = 0
        self._low_total = 0
        self._low_count = 0

    def tick(self, front: "object") -> None:
        """Look at the next part; front.snapshot() gives the ring's RING_SIZE bytes when it is time for another copy."""
        if self._place >= len(self._copy):
            self._begin(array("H", front.snapshot()))  # type: ignore[attr-defined]
        copy = self._copy
        high_from = self._high_from
        low_to = self._low_to
        for place in range(self._place, self._place + PART):
            sample = copy[place]
            if sample >= high_from:
                self._high_total += sample
                self._high_count += 1
            if sample <= low_to:
                self._low_total += sample
                self._low_count += 1
        self._place += PART
        if self._place >= len(copy):
            self.high_u16 = sampling.mean_u16(self._high_total, self._high_count)
            self.low_u16 = sampling.mean_u16(self._low_total, self._low_count)

    def _begin(self, copy: "array[int]") -> None:
        self._copy = copy
        self._place = 0
        self._high_total = self._high_count = 0
        self._low_total = self._low_count = 0
        highest = max(copy)
        lowest = min(copy)
        span = highest - lowest
        if span < FLAT:
            self._high_from = lowest
            self._low_to = highest
        else:
            near = max(span >> 6, NARROWEST)
            self._high_from = highest - near
            self._low_to = lowest + near
