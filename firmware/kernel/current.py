"""The pilot's own current transformer: over-current, and current where there can be none."""

from . import faults, times
from .ticks import add, less

PHANTOM_MA = 1000  # through contacts that report open
ZERO_MA = 500  # less than this is no current
RELAY_SAFE_MA = 5000  # direct current that contacts may open


class Current:
    """Compares the largest phase current with what the car has been told."""

    def __init__(self) -> None:
        self._told_ma = 0  # the limit that counts: it follows a reduction later, as the car does
        self._later_ms = 0
        self._over_ms = 0
        self._phantom_ms = 0

    def update(self, current_ma: int, limit_ma: int, closed: bool, passed_ms: int) -> int:
        """One sample. limit_ma: what the car is told now; closed: contacts report closed. Returns the faults that it proves."""
        if not closed:
            self._told_ma = 0
            self._over_ms = 0
            self._phantom_ms = add(self._phantom_ms, passed_ms) if current_ma >= PHANTOM_MA else 0
            return faults.MIRROR if self._phantom_ms >= times.PHANTOM_MS else 0
        self._phantom_ms = 0
        if limit_ma >= self._told_ma:
            self._told_ma = limit_ma
            self._later_ms = 0
        else:
            self._later_ms += passed_ms
            if self._later_ms >= times.FOLLOW_MS:
                self._told_ma = limit_ma
                self._later_ms = 0
        if current_ma > (self._told_ma + 500) * 11 // 10:
            self._over_ms = add(self._over_ms, passed_ms)
        else:
            self._over_ms = less(self._over_ms, passed_ms)
        return faults.OVER_CURRENT if self._over_ms >= times.OVER_MS else 0
