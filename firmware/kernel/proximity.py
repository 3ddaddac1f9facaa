"""Proximity: the resistor in the plug says what the cable carries. Bands: project fact sheet on IEC 61851-1, section 3."""

from . import times
from .ticks import add, evidence

# Largest resistance in ohms, and what such a cable carries. Between two accepted bands the smaller current counts; below 60 and
# above 4500 ohms there is no cable that could be trusted. 63 A is 70 A where there is one phase only.
ROWS = (
    (59, 0),
    (79, 32000),
    (140, 63000),
    (308, 32000),
    (936, 20000),
    (4500, 13000),
)
SINGLE_PHASE_MA = 70000


def cable_ma(ohm: int, phases: int) -> int:
    """Current in mA of a cable with this resistor; 0 when it is none."""
    for row in ROWS:
        if ohm <= row[0]:
            return SINGLE_PHASE_MA if row[1] == 63000 and phases == 1 else row[1]
    return 0


class Cable:
    """The cable in the socket. `ma` is the smallest current it has shown since it was plugged in, 0 while it is unreadable."""

    def __init__(self) -> None:
        self.ma = 0
        self.missing_ms = 0  # for how long a car has been there without a readable cable
        self._now_ma = 0
        self._seen_ma = 0
        self._seen_ms = 0
        self._lost_ms = 0
        self._least_ma = 0

    def update(self, ohm: int, phases: int, car: bool, passed_ms: int) -> None:
        """One sample; `car` says whether the control pilot shows one."""
        seen_ma = cable_ma(ohm, phases)
        if seen_ma != self._seen_ma:
            self._seen_ma = seen_ma
            self._seen_ms = 0
        self._seen_ms = add(self._seen_ms, passed_ms)
        self._lost_ms = evidence(self._lost_ms, not seen_ma, passed_ms, times.CABLE_MS)
        if self._lost_ms >= times.CABLE_MS:
            self._now_ma = 0
        elif self._seen_ms >= times.CABLE_MS:
            self._now_ma = seen_ma
        if car and self._now_ma and (not self._least_ma or self._now_ma < self._least_ma):
            self._least_ma = self._now_ma
        self.ma = self._least_ma if self._now_ma else 0
        self.missing_ms = add(self.missing_ms, passed_ms) if car and not self.ma else 0

    def forget(self) -> None:
        """It has been unplugged; what it carried says nothing of the next one."""
        self._least_ma = 0
