"""Transactions that a dead station left open: when and with which reading they may be closed.

The car may still be drawing current when the station is back (a pilot that stops gracefully takes up to 6.5 s), so the closing
reading must be one that was taken with the contacts proven open. After PATIENCE_MS the newest reading there is has
to do, and where there is none, the last one that was written down.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotwire.firmware.store.transactions import Transaction
from pilotwire.hal.ports import MeterReading

SETTLE_MS = 200
PATIENCE_MS = 20_000


class Orphans:
    """Waits for the reading that closes the transactions found open at start."""

    def __init__(self, transactions: Sequence[Transaction]) -> None:
        self.waiting = list(transactions)
        self._open_since_ms: int | None = None
        self._started_ms: int | None = None

    def contacts(self, closed: bool, now_ms: int) -> None:
        """The pilot says whether the contacts are closed."""
        if closed:
            self._open_since_ms = None
        elif self._open_since_ms is None:
            self._open_since_ms = now_ms

    def pilot_lost(self) -> None:
        """Nobody knows about the contacts any more."""
        self._open_since_ms = None

    def take(self, reading: MeterReading | None, now_ms: int) -> list[tuple[Transaction, float]]:
        """Transactions to close now, each with its meter reading in Wh; empty while it is too early."""
        if self._started_ms is None:
            self._started_ms = now_ms
        if not self.waiting:
            return []
        usable = (
            reading is not None and self._open_since_ms is not None and reading.at_ms >= self._open_since_ms + SETTLE_MS
        )
        if not usable and now_ms - self._started_ms < PATIENCE_MS:
            return []
        closing = [
            # A register that went back (another meter, a reset) cannot end a transaction: keep what was written down.
            (item, item.meter_last_wh if reading is None else max(item.meter_last_wh, reading.energy_import_wh))
            for item in self.waiting
        ]
        self.waiting = []
        return closing
