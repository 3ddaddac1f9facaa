"""Contactors with their mirror contacts, and the charge pump that needs the pilot's alive wave to feed their coils."""

from __future__ import annotations

from dataclasses import dataclass

HOLD_MS = 40  # the pump's capacitor holds the coils this long after the last edge of the alive wave
CLOSE_DELAY_MS = 25
OPEN_DELAY_MS = 20


@dataclass(slots=True)
class ChargePump:
    """Feeds the coils of both contactors while the alive wave moves."""

    _wave: int = 0
    _edge_age_ms: int = HOLD_MS

    def drive(self, wave: int) -> None:
        """Level of the alive wave at this instant."""
        if wave != self._wave:
            self._wave = wave
            self._edge_age_ms = 0

    def step(self) -> bool:
        """Pass one millisecond; returns whether there was coil voltage in it."""
        charged = self._edge_age_ms < HOLD_MS
        self._edge_age_ms = min(self._edge_age_ms + 1, HOLD_MS)
        return charged


@dataclass(slots=True)
class Contactor:
    """Mechanics in steps of one millisecond.

    The faults it can have: `welded` (closed contacts stay so), `stuck_open` (open ones stay so), and a mirror contact that reports
    `mirror_open` or `mirror_closed` whatever the contacts do.
    """

    welded: bool = False
    stuck_open: bool = False
    mirror_open: bool = False
    mirror_closed: bool = False
    close_ms: int = CLOSE_DELAY_MS
    open_ms: int = OPEN_DELAY_MS
    closed: bool = False
    coil: bool = False
    _moving_ms: int = 0

    @property
    def reported(self) -> bool:
        """What the mirror contact says: True for closed."""
        return self.mirror_closed or (self.closed and not self.mirror_open)

    def step(self, powered: bool) -> None:
        """Pass one millisecond with or without voltage on the coil."""
        self.coil = powered
        if powered == self.closed:
            self._moving_ms = 0
            return
        self._moving_ms += 1
        if self._moving_ms >= (self.close_ms if powered else self.open_ms):
            self._moving_ms = 0
            if powered and not self.stuck_open:
                self.closed = True
            elif not powered and not self.welded:
                self.closed = False
