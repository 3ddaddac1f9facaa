"""The lock of the socket: a bolt that travels, and a switch that reports it when it is all the way out."""

from __future__ import annotations

from dataclasses import dataclass

TRAVEL_MS = 300


@dataclass(slots=True)
class SocketLock:
    """Mechanics in steps of one millisecond. `jammed`: the bolt stays where it is; `switch_stuck`: the report stays what it is.

    `broken_off`: the wire to the switch is broken, it reports open.
    """

    travel_ms: int = TRAVEL_MS
    jammed: bool = False
    switch_stuck: bool = False
    broken_off: bool = False
    closed: bool = False
    """What the switch reports."""
    _out: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the bolt keeps a plug from moving: once it is half way out."""
        return self._out >= 0.5

    def step(self, drive: bool) -> None:
        """Pass one millisecond with the drive pushing the bolt out (True) or pulling it in."""
        if self._out == (1.0 if drive else 0.0) and self.closed == (drive and not self.broken_off):
            return  # it is where it shall be
        if not self.jammed:
            stroke = 1.0 / self.travel_ms
            self._out = min(1.0, self._out + stroke) if drive else max(0.0, self._out - stroke)
        if not self.switch_stuck:
            self.closed = self._out > 1.0 - 1e-9 and not self.broken_off
