"""BCB toggles (ISO 15118-3 as restated in the fact sheet): the car goes B-C-B one to three times to wake the station.

Followed apart from the debounced state, which takes its time to believe a C. A sequence without a valid pulse is not a toggle.
"""

from . import bands, times
from .ticks import add

PULSES_MAX = 3


class Pulses:
    """Counts complete sequences. `pulses` is the number of pulses in the last one."""

    def __init__(self) -> None:
        self.sequences = 0
        self.pulses = 0
        self._level = bands.INVALID
        self._other_ms = 0
        self._c_ms = 0  # since the last edge from B to C
        self._count = 0
        self._window_ms = -1  # since the first edge; -1 while no sequence runs

    def update(self, high_mv: int, passed_ms: int) -> None:
        """Take one sample of the positive level."""
        if self._window_ms >= 0:
            self._window_ms += passed_ms
        self._c_ms = add(self._c_ms, passed_ms)
        seen = bands.band(high_mv, self._level)
        if seen == self._level:
            self._other_ms = 0
        else:
            self._other_ms += passed_ms
            if self._other_ms >= times.PULSE_EVIDENCE_MS:
                self._edge(seen)
        if self._window_ms >= times.PULSE_WINDOW_MS or self._count == PULSES_MAX:
            self._end()

    def stop(self) -> None:
        """The level is hidden or time was lost: whatever was going on is void."""
        self._level = bands.INVALID
        self._other_ms = 0
        self._count = 0
        self._window_ms = -1

    def _edge(self, seen: int) -> None:
        before = self._level
        self._level = seen
        self._other_ms = 0
        if before == bands.B and seen == bands.C:
            self._c_ms = 0
            if self._window_ms < 0:
                self._window_ms = 0
        elif before == bands.C and seen == bands.B and times.PULSE_MIN_MS <= self._c_ms <= times.PULSE_MAX_MS:
            if self._window_ms >= 0:  # otherwise the rest of a sequence whose window is over
                self._count += 1
        else:
            self._count = 0
            self._window_ms = -1

    def _end(self) -> None:
        if self._count:
            self.pulses = self._count
            self.sequences = self.sequences + 1 & 0xFF
        self._count = 0
        self._window_ms = -1
