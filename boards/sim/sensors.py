"""What measures for the pilot board, each with the ways in which it can lie."""

from __future__ import annotations

from dataclasses import dataclass

from pilotwire.firmware.pilot.frontend import TEMP_HIGH_DDEG, TEMP_LOW_DDEG

LOWEST_C = -40.0
HIGHEST_C = 125.0


@dataclass(slots=True)
class TemperatureSensor:
    """Linear from -40 to 125 °C, saturating at both ends. A broken wire (`open`) or a short reads outside that range."""

    celsius: float = 25.0
    open: bool = False
    shorted: bool = False

    def ddeg(self) -> int:
        """The reading in tenths of a degree."""
        if self.open or self.shorted:
            return TEMP_HIGH_DDEG if self.open else TEMP_LOW_DDEG
        return round(10.0 * min(max(self.celsius, LOWEST_C), HIGHEST_C))


@dataclass(slots=True)
class CurrentTransformer:
    """Measures the largest current of any conductor, times `factor` plus `offset_a`, both there to falsify it."""

    factor: float = 1.0
    offset_a: float = 0.0

    def current_ma(self, amperes: float) -> int:
        """The reading, never negative: the signal is rectified."""
        return max(0, round(1000.0 * (self.factor * amperes + self.offset_a)))
