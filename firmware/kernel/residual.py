"""The residual current device: its trip outputs and its self-test, before each session and every 24 h.

The device opens the coil by itself; the kernel keeps it open and says why. A test runs to its end even when a fault comes in
between, because until then a trip output means the test.
"""

from . import faults, params, times
from .ticks import LONG_MS, add

NOT_TESTING = 0
TRIPPING = 1  # the test input is driven, the outputs must trip
RELEASING = 2  # it is released, they must be released too


class Residual:
    """`test` is the output to the device's test input."""

    def __init__(self) -> None:
        self.test = False
        self._stage = NOT_TESTING
        self._stage_ms = 0
        self._age_ms = LONG_MS  # since the last good test
        self._this_car = False

    def good(self, car: bool) -> bool:
        """A test is good for 24 h, and for one car."""
        return self._stage == NOT_TESTING and self._age_ms < times.TEST_PERIOD_MS and (self._this_car or not car)

    def start(self) -> None:
        """Begin a test, unless one is running."""
        if self._stage == NOT_TESTING:
            self._go(TRIPPING)

    def forget(self) -> None:
        """Time was lost: nobody knows how long ago the last test was, nor whose."""
        self._age_ms = LONG_MS

    def unplugged(self) -> None:
        """The next car needs a test of its own."""
        self._this_car = False

    def update(self, tripped: int, passed_ms: int, fitted: int) -> int:
        """One sample. `tripped` has the bits params.RCD_DC, RCD_AC of tripped outputs; returns the faults that it proves."""
        self._age_ms = add(self._age_ms, passed_ms)
        fitted &= params.RCD_DC | params.RCD_AC
        tripped &= fitted
        if self._stage == NOT_TESTING:
            return (faults.RESIDUAL_DC if tripped & params.RCD_DC else 0) | (
                faults.RESIDUAL_AC if tripped & params.RCD_AC else 0
            )
        self._stage_ms += passed_ms
        if self._stage == TRIPPING:
            if tripped == fitted:
                self._go(RELEASING)
            elif self._stage_ms >= times.TRIP_MS:
                return self._fail()
        elif not tripped:
            self._go(NOT_TESTING)
            self._age_ms = 0
            self._this_car = True
        elif self._stage_ms >= times.RELEASE_MS:
            return self._fail()
        return 0

    def _go(self, stage: int) -> None:
        self._stage = stage
        self._stage_ms = 0
        self.test = stage == TRIPPING

    def _fail(self) -> int:
        self._go(NOT_TESTING)
        self._age_ms = LONG_MS
        return faults.RESIDUAL_TEST
