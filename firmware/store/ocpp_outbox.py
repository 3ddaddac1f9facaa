"""OCPP's durable side on SQLite: transaction messages, transactions and charging profiles.

Works on a connection that is passed in; whoever opened it has set WAL and synchronous=FULL. Each method commits before
it returns, so what was stored before a power cut is there after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pilotwire.protocols.ocpp.store import Kind, OutboxRow, ProfileRow, TransactionRow

KEPT_STOPPED_TRANSACTIONS = 256
"""Stopped transactions remembered after their last message, so that storing one twice is noticed."""

# transaction_id is text: OCPP bounds it nowhere, SQLite's integers end at 2^63-1.
_TABLES = """
create table if not exists ocpp_outbox (
    seq integer primary key autoincrement,
    kind text not null,
    tx_ref integer not null,
    payload blob not null,
    message_id text not null default '',
    frame text not null default '',
    failures integer not null default 0
);
create table if not exists ocpp_transactions (
    tx_ref integer primary key,
    connector integer not null,
    id_tag text not null,
    start_unix_ms integer not null,
    transaction_id text,
    stopped integer not null default 0
);
create table if not exists ocpp_profiles (
    position integer primary key,
    connector integer not null,
    tx_ref integer,
    profile_json blob not null
);
"""

_FORGET_OLD = """
delete from ocpp_transactions where stopped = 1
    and tx_ref not in (select tx_ref from ocpp_outbox)
    and tx_ref not in (select tx_ref from ocpp_transactions where stopped = 1 order by tx_ref desc limit ?)
"""


class SqliteOcppStore:
    """An `OcppStore` (protocols/ocpp/store.py) on one SQLite connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.executescript(_TABLES)
        self._db.commit()

    def begin(self, row: TransactionRow, payload: bytes) -> bool:
        """Store a transaction and its StartTransaction together; False when the tx_ref is known already."""
        with self._change():
            fresh = self._db.execute(
                "insert or ignore into ocpp_transactions (tx_ref, connector, id_tag, start_unix_ms) values (?, ?, ?, ?)",
                (row.tx_ref, row.connector, row.id_tag, row.start_unix_ms),
            ).rowcount
            if fresh:
                self._append("StartTransaction", row.tx_ref, payload)
            return bool(fresh)

    def add_meter_values(self, tx_ref: int, payload: bytes) -> None:
        """Store a MeterValues of a transaction."""
        with self._change():
            self._append("MeterValues", tx_ref, payload)

    def end(self, tx_ref: int, payload: bytes) -> bool:
        """Store a StopTransaction and mark the transaction stopped; False when it is unknown or stopped already."""
        with self._change():
            fresh = self._db.execute(
                "update ocpp_transactions set stopped = 1 where tx_ref = ? and stopped = 0", (tx_ref,)
            ).rowcount
            if fresh:
                self._append("StopTransaction", tx_ref, payload)
                self._db.execute(_FORGET_OLD, (KEPT_STOPPED_TRANSACTIONS,))
            return bool(fresh)

    def head(self) -> OutboxRow | None:
        """The oldest message not yet answered."""
        row = self._db.execute(
            "select seq, kind, tx_ref, payload, message_id, frame, failures from ocpp_outbox order by seq limit 1"
        ).fetchone()
        return None if row is None else OutboxRow(*row)

    def count(self) -> int:
        """Messages not yet answered."""
        (number,) = self._db.execute("select count(*) from ocpp_outbox").fetchone()
        return int(number)

    def freeze(self, seq: int, message_id: str, frame: str) -> None:
        """Fix the text of a message before it is sent for the first time; a second freeze changes nothing."""
        with self._change():
            self._db.execute(
                "update ocpp_outbox set message_id = ?, frame = ? where seq = ? and frame = ''",
                (message_id, frame, seq),
            )

    def count_failure(self, seq: int) -> int:
        """Note a CALLERROR for a message; returns how many it has had."""
        with self._change():
            self._db.execute("update ocpp_outbox set failures = failures + 1 where seq = ?", (seq,))
        row = self._db.execute("select failures from ocpp_outbox where seq = ?", (seq,)).fetchone()
        return 0 if row is None else int(row[0])

    def remove(self, seq: int) -> None:
        """The message is answered, or given up."""
        with self._change():
            self._db.execute("delete from ocpp_outbox where seq = ?", (seq,))

    def learn(self, seq: int, tx_ref: int, transaction_id: int) -> None:
        """StartTransaction is answered: keep the number and remove the message, together."""
        with self._change():
            self._db.execute(
                "update ocpp_transactions set transaction_id = ? where tx_ref = ?", (str(transaction_id), tx_ref)
            )
            self._db.execute("delete from ocpp_outbox where seq = ?", (seq,))

    def transaction(self, tx_ref: int) -> TransactionRow | None:
        """One transaction; stopped ones are forgotten some time after their last message."""
        row = self._db.execute(f"{_SELECT_TRANSACTION} where tx_ref = ?", (tx_ref,)).fetchone()
        return None if row is None else _transaction(row)

    def running(self) -> list[TransactionRow]:
        """Transactions without a StopTransaction, oldest first."""
        return [
            _transaction(row) for row in self._db.execute(f"{_SELECT_TRANSACTION} where stopped = 0 order by tx_ref")
        ]

    def profiles(self) -> list[ProfileRow]:
        """Installed profiles in the order they were set."""
        rows = self._db.execute("select connector, tx_ref, profile_json from ocpp_profiles order by position")
        return [ProfileRow(*row) for row in rows]

    def replace_profiles(self, rows: list[ProfileRow]) -> None:
        """Keep exactly these profiles."""
        with self._change():
            self._db.execute("delete from ocpp_profiles")
            self._db.executemany(
                "insert into ocpp_profiles (position, connector, tx_ref, profile_json) values (?, ?, ?, ?)",
                [(position, row.connector, row.tx_ref, row.profile_json) for position, row in enumerate(rows)],
            )

    def _append(self, kind: Kind, tx_ref: int, payload: bytes) -> None:
        self._db.execute("insert into ocpp_outbox (kind, tx_ref, payload) values (?, ?, ?)", (kind, tx_ref, payload))

    @contextmanager
    def _change(self) -> Iterator[None]:
        # Explicit, so that it is the same on a connection in autocommit mode and on one with implicit transactions. Inside a
        # transaction of the caller's (the station writes its own record in the same one) the caller commits.
        if self._db.in_transaction:
            yield
            return
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()


_SELECT_TRANSACTION = "select tx_ref, connector, id_tag, start_unix_ms, transaction_id, stopped from ocpp_transactions"


def _transaction(row: tuple[Any, ...]) -> TransactionRow:
    tx_ref, connector, id_tag, start_unix_ms, transaction_id, stopped = row
    number = None if transaction_id is None else int(transaction_id)
    return TransactionRow(tx_ref, connector, id_tag, start_unix_ms, number, bool(stopped))
