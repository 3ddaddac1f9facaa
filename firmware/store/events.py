"""The event journal: what came in and when, one row each, for reports and for looking back."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

KEEP_ROWS = 500_000
_PRUNE_EVERY = 10_000
log = logging.getLogger(__name__)


class EventJournal:
    """Append-only table of events; the oldest rows go when there are more than KEEP_ROWS."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.lost = 0
        """Events that could not be written."""
        self.on_row: Callable[[str, dict[str, Any]], None] | None = None
        """Told each event as well, whatever becomes of it on the disk."""
        self._db = connection
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, unix_ms INTEGER NOT NULL,"
            " name TEXT NOT NULL, data TEXT NOT NULL)"
        )

    def append(self, at_ms: int, unix_ms: int, name: str, data: dict[str, Any]) -> None:
        """Write one event; at_ms is monotonic, unix_ms the wall clock at the same instant. Never raises for the disk's sake."""
        if self.on_row is not None:
            self.on_row(name, data)
        try:
            self._insert(at_ms, unix_ms, name, data)
        except sqlite3.Error as error:
            # The journal is for looking back; a full disk or a locked file must not end a charging session.
            if self.lost == 0:
                log.warning("an event could not be written to the journal, and more may follow: %s", error)
            self.lost += 1

    def _insert(self, at_ms: int, unix_ms: int, name: str, data: dict[str, Any]) -> None:
        cursor = self._db.execute(
            "INSERT INTO events (at_ms, unix_ms, name, data) VALUES (?, ?, ?, ?)",
            (at_ms, unix_ms, name, json.dumps(data, separators=(",", ":"))),
        )
        # By row number and not by rows written since the start: a station that restarts often has to prune as well.
        if cursor.lastrowid is not None and cursor.lastrowid % _PRUNE_EVERY == 0:
            self._db.execute("DELETE FROM events WHERE id <= ?", (cursor.lastrowid - KEEP_ROWS,))

    def last(self, name: str) -> dict[str, Any] | None:
        """The newest event of this name, as in rows(), or None."""
        query = "SELECT at_ms, unix_ms, name, data FROM events WHERE name = ? ORDER BY id DESC LIMIT 1"
        row = self._db.execute(query, (name,)).fetchone()
        return None if row is None else _row(*row)

    def rows(self, name: str | None = None) -> list[dict[str, Any]]:
        """All events, or those of one name, oldest first, as dicts with keys at_ms, unix_ms, name and data."""
        where, values = ("WHERE name = ?", (name,)) if name is not None else ("", ())
        query = f"SELECT at_ms, unix_ms, name, data FROM events {where} ORDER BY id"  # noqa: S608 - no input in it
        return [_row(*row) for row in self._db.execute(query, values)]


def _row(at_ms: int, unix_ms: int, name: str, data: str) -> dict[str, Any]:
    return {"at_ms": at_ms, "unix_ms": unix_ms, "name": name, "data": json.loads(data)}
