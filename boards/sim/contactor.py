"""Contactor with its mirror contact, behind a charge pump that needs the pilot's alive wave to hold the coil."""

from __future__ import annotations

from dataclasses import dataclass

HOLD_MS = 40  # the pump's capacitor holds the coil this long after the last edge of the alive wave
CLOSE_DELAY_MS = 25
OPEN_DELAY_MS = 20


@dataclass(slots=True)
class Contactor:
    """Mechanics in steps of one millisecond. `welded` and `stuck_open` are the faults it can have."""

    welded: bool = False
    stuck_open: bool = False
    closed: bool = False
    coil: bool = False
    _moving_ms: int = 0
    _wave: int = 0
    _edge_age_ms: int = HOLD_MS

    def drive(self, wave: int) -> None:
        """Level of the alive wave at this instant."""
        if wave != self._wave:
            self._wave = wave
            self._edge_age_ms = 0

    def step(self, command: bool) -> None:
        """Pass one millisecond with the coil command as given."""
        self.coil = command and self._edge_age_ms < HOLD_MS
        self._edge_age_ms = min(self._edge_age_ms + 1, HOLD_MS)
        if self.coil == self.closed:
            self._moving_ms = 0
            return
        self._moving_ms += 1
        if self._moving_ms >= (CLOSE_DELAY_MS if self.coil else OPEN_DELAY_MS):
            self._moving_ms = 0
            if self.coil and not self.stuck_open:
                self.closed = True
            elif not self.coil and not self.welded:
                self.closed = False
