"""What the station needs of its hardware: small Protocols and the readings they return.

A driver in `hal/drivers` fills a port, a board in `boards` chooses the driver, the station only knows the port.
Every reading carries the instant it was complete, so that nobody can take an old value for a fresh one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class MeterError(Exception):
    """A meter did not give a usable reading; the text names the meter, what was asked and what came back."""


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One consistent set of quantities from an AC energy meter, positive = import (towards the car)."""

    at_ms: int
    """Monotonic milliseconds of the station's clock when the last byte had arrived."""
    voltage_v: tuple[float, float, float]
    """Line to neutral, L1 to L3, volts."""
    current_a: tuple[float, float, float]
    """L1 to L3, amperes."""
    power_w: float
    """Sum of the active power of all phases, watts."""
    energy_import_wh: float
    """The meter's own import register, watt-hours."""


class Meter(Protocol):
    """An energy meter that is asked for one reading at a time."""

    async def read(self) -> MeterReading:
        """Ask the meter now; raises MeterError when no valid answer came in time."""
        ...

    async def close(self) -> None:
        """Release the port; reading again after this reopens it."""
        ...
