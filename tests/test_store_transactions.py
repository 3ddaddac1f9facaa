"""Transactions on a real SQLite file: whole or not at all, and still there after kill -9."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.transactions import Transactions

BEGIN = """
import sys, time
from pathlib import Path
from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.transactions import Transactions
transactions = Transactions(open_database(Path(sys.argv[1]), durable=True))
"""
WAIT = "\nprint('ready', flush=True)\ntime.sleep(600)\n"


def killed_in(script: str, path: Path) -> None:
    """Run a child until it says ready, then kill -9 it."""
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        finally:
            child.kill()
        assert child.wait() == -signal.SIGKILL


@contextmanager
def transactions_in(path: Path) -> Iterator[Transactions]:
    connection = open_database(path, durable=True)
    try:
        yield Transactions(connection)
    finally:
        connection.close()


def test_a_transaction_begun_by_a_process_that_is_killed_stays_open_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    killed_in(
        BEGIN + "transaction = transactions.begin(1, 'TAG', 1000.5, 111)\n"
        "transactions.progress(transaction.ref, 1200.25, 222)" + WAIT,
        path,
    )

    with transactions_in(path) as transactions:
        (found,) = transactions.open()
        assert (found.id_tag, found.connector, found.meter_start_wh, found.started_unix_ms) == ("TAG", 1, 1000.5, 111)
        assert (found.meter_last_wh, found.last_unix_ms) == (1200.25, 222)
        assert (found.meter_stop_wh, found.stopped_unix_ms, found.reason) == (None, None, None)
        assert found.energy_wh == 199.75


def test_a_process_killed_inside_atomically_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    killed_in(
        BEGIN + "transactions.begin(1, 'KEPT', 1.0, 1)\n"
        "with transactions.atomically():\n    transactions.begin(1, 'HALF', 2.0, 2)\n"
        "    print('ready', flush=True)\n    time.sleep(600)",
        path,
    )

    with transactions_in(path) as transactions:
        assert [item.id_tag for item in transactions.all()] == ["KEPT"]


def test_many_deaths_in_a_row_lose_no_transaction_and_no_number(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    for number in range(3):
        killed_in(BEGIN + f"transactions.begin(1, 'T{number}', {number}.0, {number})" + WAIT, path)

    with transactions_in(path) as transactions:
        assert [(item.ref, item.id_tag) for item in transactions.open()] == [(1, "T0"), (2, "T1"), (3, "T2")]


def test_atomically_rolls_back_as_a_whole_when_an_error_comes(tmp_path: Path) -> None:
    with transactions_in(tmp_path / "station.db") as transactions:
        kept = transactions.begin(1, "KEPT", 1.0, 1)

        def half() -> None:
            with transactions.atomically():
                transactions.begin(1, "GONE", 2.0, 2)
                transactions.end(kept.ref, 5.0, 5, "Local")
                raise RuntimeError("no more")

        with pytest.raises(RuntimeError, match="no more"):
            half()

        assert transactions.all() == [kept]
        with transactions.atomically():
            transactions.begin(1, "AFTER", 3.0, 3)
        assert [item.id_tag for item in transactions.all()] == ["KEPT", "AFTER"]


def test_atomically_shows_nothing_to_others_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    with transactions_in(path) as writer, transactions_in(path) as reader:
        with writer.atomically():
            writer.begin(1, "TAG", 1.0, 1)
            assert reader.all() == []
        assert len(reader.all()) == 1


def test_an_error_after_which_sqlite_has_rolled_back_by_itself_is_not_hidden(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "station.db", durable=True)
    transactions = Transactions(connection)
    try:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")  # as good as a full disk

        def too_much() -> None:
            with transactions.atomically():
                for _ in range(1000):
                    transactions.begin(1, "X" * 500, 1.0, 1)

        with pytest.raises(sqlite3.OperationalError, match="full"):
            too_much()

        assert not connection.in_transaction
        assert transactions.all() == []
    finally:
        connection.close()


def test_a_transaction_that_has_ended_is_not_open_and_does_not_end_twice(tmp_path: Path) -> None:
    with transactions_in(tmp_path / "station.db") as transactions:
        begun = transactions.begin(1, "TAG", 1000.0, 1)
        ended = transactions.end(begun.ref, 1500.0, 2, "Local")

        assert (ended.meter_stop_wh, ended.stopped_unix_ms, ended.reason, ended.energy_wh) == (
            1500.0,
            2,
            "Local",
            500.0,
        )
        assert transactions.end(begun.ref, 9999.0, 3, "Reboot") == ended
        transactions.progress(begun.ref, 8888.0, 4)
        assert transactions.get(begun.ref) == ended
        assert transactions.open() == []


def test_a_register_that_went_back_does_not_take_away_what_was_written_down(tmp_path: Path) -> None:
    with transactions_in(tmp_path / "station.db") as transactions:
        begun = transactions.begin(1, "TAG", 1000.0, 1)
        transactions.progress(begun.ref, 1400.0, 2)
        transactions.progress(begun.ref, 3.0, 3)

        assert transactions.get(begun.ref).meter_last_wh == 1400.0


def test_a_number_that_was_never_given_is_a_key_error(tmp_path: Path) -> None:
    with transactions_in(tmp_path / "station.db") as transactions, pytest.raises(KeyError):
        transactions.get(1)


def test_numbers_are_not_given_twice_even_when_rows_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    with transactions_in(path) as transactions:
        first = transactions.begin(1, "TAG", 1.0, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM transactions")
    connection.close()

    with transactions_in(path) as transactions:
        assert transactions.begin(1, "TAG", 1.0, 1).ref > first.ref
