"""The event journal: what came in and when, one row each, for reports and for looking back."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

KEEP_ROWS = 500_000
_PRUNE_EVERY = 10_000


class EventJournal:
    """Append-only table of events; the oldest rows go when there are more than KEEP_ROWS."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, unix_ms INTEGER NOT NULL,"
            " name TEXT NOT NULL, data TEXT NOT NULL)"
        )

    def append(self, at_ms: int, unix_ms: int, name: str, data: dict[str, Any]) -> None:
        """Write one event; at_ms is monotonic, unix_ms the wall clock at the same instant."""
        cursor = self._db.execute(
            "INSERT INTO events (at_ms, unix_ms, name, data) VALUES (?, ?, ?, ?)",
            (at_ms, unix_ms, name, json.dumps(data, separators=(",", ":"))),
        )
        # By row number and not by rows written since the start: a station that restarts often has to prune as well.
        if cursor.lastrowid is not None and cursor.lastrowid % _PRUNE_EVERY == 0:
            self._db.execute("DELETE FROM events WHERE id <= ?", (cursor.lastrowid - KEEP_ROWS,))

    def rows(self, name: str | None = None) -> list[dict[str, Any]]:
        """All events, or those of one name, oldest first, as dicts with keys at_ms, unix_ms, name and data."""
        where, values = ("WHERE name = ?", (name,)) if name is not None else ("", ())
        query = f"SELECT at_ms, unix_ms, name, data FROM events {where} ORDER BY id"  # noqa: S608 - no input in it
        return [
            {"at_ms": at_ms, "unix_ms": unix_ms, "name": kind, "data": json.loads(data)}
            for at_ms, unix_ms, kind, data in self._db.execute(query, values)
        ]
