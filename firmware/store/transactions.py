"""Charging transactions: each is written when it begins and when it ends, and a crash in between leaves it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction as it stands on disk. Energies are readings of the meter's import register."""

    ref: int
    """Local number, the same for ever; what the back end calls it is the outbox's business."""
    connector: int
    id_tag: str
    meter_start_wh: float
    started_unix_ms: int
    meter_last_wh: float
    last_unix_ms: int
    meter_stop_wh: float | None
    stopped_unix_ms: int | None
    reason: str | None

    @property
    def energy_wh(self) -> float:
        """Energy so far."""
        end_wh = self.meter_last_wh if self.meter_stop_wh is None else self.meter_stop_wh
        return end_wh - self.meter_start_wh


_COLUMNS = (
    "ref, connector, id_tag, meter_start_wh, started_unix_ms, meter_last_wh, last_unix_ms,"
    " meter_stop_wh, stopped_unix_ms, reason"
)


class Transactions:
    """The table of transactions on an open database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS transactions (ref INTEGER PRIMARY KEY AUTOINCREMENT, connector INTEGER NOT NULL,"
            " id_tag TEXT NOT NULL, meter_start_wh REAL NOT NULL, started_unix_ms INTEGER NOT NULL, meter_last_wh REAL NOT NULL,"
            " last_unix_ms INTEGER NOT NULL, meter_stop_wh REAL, stopped_unix_ms INTEGER, reason TEXT)"
        )

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """Everything written to this database inside happens as a whole or not at all, whoever writes it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself on some errors (disk full); a second time would hide the first error.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def begin(self, connector: int, id_tag: str, meter_wh: float, unix_ms: int) -> Transaction:
        """A transaction starts now."""
        cursor = self._db.execute(
            "INSERT INTO transactions (connector, id_tag, meter_start_wh, started_unix_ms, meter_last_wh, last_unix_ms)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (connector, id_tag, meter_wh, unix_ms, meter_wh, unix_ms),
        )
        assert cursor.lastrowid is not None
        return self.get(cursor.lastrowid)

    def progress(self, ref: int, meter_wh: float, unix_ms: int) -> None:
        """The last reading known, in case there is none at the end; a register that went back is not taken over."""
        self._db.execute(
            "UPDATE transactions SET meter_last_wh = MAX(meter_last_wh, ?), last_unix_ms = ?"
            " WHERE ref = ? AND stopped_unix_ms IS NULL",
            (meter_wh, unix_ms, ref),
        )

    def end(self, ref: int, meter_wh: float, unix_ms: int, reason: str) -> Transaction:
        """A transaction ends; ending it twice changes nothing."""
        self._db.execute(
            "UPDATE transactions SET meter_stop_wh = ?, stopped_unix_ms = ?, reason = ? WHERE ref = ? AND stopped_unix_ms IS NULL",
            (meter_wh, unix_ms, reason, ref),
        )
        return self.get(ref)

    def get(self, ref: int) -> Transaction:
        """The transaction with this number; raises KeyError."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM transactions WHERE ref = ?", (ref,)).fetchone()  # noqa: S608
        if row is None:
            raise KeyError(ref)
        return Transaction(*row)

    def all(self) -> list[Transaction]:
        """All transactions, oldest first."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM transactions ORDER BY ref").fetchall()  # noqa: S608
        return [Transaction(*row) for row in rows]

    def open(self) -> list[Transaction]:
        """Transactions that have begun and not ended, oldest first."""
        query = f"SELECT {_COLUMNS} FROM transactions WHERE stopped_unix_ms IS NULL ORDER BY ref"  # noqa: S608
        return [Transaction(*row) for row in self._db.execute(query).fetchall()]
