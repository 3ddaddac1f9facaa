"""What a bench is: somebody who can play the car, the mains, the driver and bad luck, and who sees what really happens.

A rig implements Bench and nothing else; tests use a Course (course.py), which is words on top of it. Commands and their
arguments are those of docs/sim.md: a simulated bench has them all, a real one says in `lacks` what it cannot do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

# What a test may need beyond plugging in and looking: name, and what it means.
CAPABILITIES = {
    "parameters": "the pilot's parameters can be chosen for each test",
    "options": "the station's configuration can be chosen for each test",
    "car circuit": "resistors, diode and shorts of the car's pilot circuit can be chosen",
    "car current": "the car's charger can be told what to draw",
    "digital car": "the car can act as if a digital communication had been set up",
    "contactor faults": "welded, stuck and lying contactors can be played",
    "residual injection": "residual currents can be injected",
    "residual device faults": "the residual current device itself can be broken",
    "sensors": "temperatures and sensor failures can be played",
    "current transformer": "the pilot's current transformer can be falsified",
    "guards": "earth monitor, PEN detector and emergency stop can be operated",
    "socket": "cable, proximity resistor and lock can be played",
    "meter faults": "the meter can be silenced, made to refuse, and exchanged",
    "station control": "the station's program can be killed and started",
    "pilot control": "the pilot can be reset, hung and taken off its power",
    "power": "the mains can be taken away",
    "exact time": "the bench's clock counts ticks, and the same commands give the same timeline",
    "exact station": "... and the station's program too, not only the pilot's, hears everything in the same tick each time",
    "central system": "the station can be told to connect to a central system on this machine",
    "pins": "the pilot board's outputs can be watched (not only what follows from them)",
}


class Bench(Protocol):
    """One bench with one connector. All times are the bench's own clock, which counts milliseconds while a test runs."""

    name: str
    """For the report."""
    note: str
    """What the bench is made of, in words."""
    lacks: Mapping[str, str]
    """Capabilities that it has not, and why; a test that needs one is skipped with that reason."""

    def reset(self, options: Mapping[str, Any]) -> None:
        """Make ready for a test: nothing plugged in, no fault played, the station fresh with these options (docs/sim.md)."""
        ...

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command of docs/sim.md; raises an error of the rig's own that names what is wrong."""
        ...

    def run(self, ms: int) -> None:
        """Let that much time pass on the bench's clock."""
        ...

    def health(self) -> list[str]:
        """What is wrong with the bench itself, in sentences; asked after each test, when everything has been put right again."""
        ...

    def close(self) -> None:
        """Give the bench back."""
        ...
