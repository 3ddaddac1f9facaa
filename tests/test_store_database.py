"""A data folder that cannot be used is refused at the start, in a sentence that names the file and the remedy."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilotwire.firmware.store.database import StoreError, open_database
from pilotwire.firmware.store.transactions import Transactions

NOBODY = 65534


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Permissions do not bind root; be somebody whom they do."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the ordinary user's (pytest's own may only be entered by the user that runs the tests)."""
    path = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    path.chmod(0o700)
    shutil.rmtree(path)


def refused(path: Path, durable: bool = True) -> str:
    """The sentence that opening this path is refused with."""
    with pytest.raises(StoreError) as error:
        open_database(path, durable=durable)
    said = str(error.value)
    assert str(path) in said
    assert "station.data_dir must be a folder this user may write to" in said
    assert "a damaged file must be moved away by hand" in said
    return said


def filled(path: Path) -> None:
    """A proper database with enough in it to be damaged anywhere."""
    connection = open_database(path, durable=True)
    transactions = Transactions(connection)
    with transactions.atomically():
        for number in range(500):
            transactions.begin(1, f"TAG{number}", 1.0, number)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_new_folder_is_made_for_this_user_alone_and_the_files_keep_their_promise(
    tmp_path: Path, durable: bool, synchronous: int
) -> None:
    path = tmp_path / "new" / "station.db"
    connection = open_database(path, durable=durable)

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)  # 2 FULL, 1 NORMAL
    assert not connection.in_transaction
    assert path.parent.stat().st_mode & 0o777 == 0o700
    connection.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    path.write_bytes(b"this was a letter to my aunt\n" * 400)

    assert "not a database" in refused(path)
    assert path.read_bytes().startswith(b"this was a letter")


@pytest.mark.parametrize("durable", [True, False])
def test_a_database_whose_first_page_is_damaged_is_refused(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "station.db"
    filled(path)
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xa5" * 3996
    path.write_bytes(data)

    refused(path, durable)


def test_a_durable_database_that_is_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    filled(path)
    data = bytearray(path.read_bytes())
    assert len(data) > 4 * 4096
    data[3 * 4096 : 4 * 4096] = b"\x5a" * 4096
    path.write_bytes(data)

    refused(path)


def test_a_database_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    filled(path)
    os.truncate(path, path.stat().st_size // 2)

    refused(path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")

    refused(tmp_path / "data" / "station.db")


def test_a_database_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "station.db").mkdir()

    refused(tmp_path / "station.db")


def test_a_folder_that_may_not_be_written_to_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    with as_ordinary_user():
        refused(folder / "station.db")


def test_a_folder_that_may_not_be_made_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    with as_ordinary_user():
        assert re.search("[Pp]ermission denied", refused(folder / "data" / "station.db"))


@pytest.mark.parametrize("durable", [True, False])
def test_a_database_that_may_only_be_read_is_refused_at_the_start_and_not_at_the_first_transaction(
    folder: Path, durable: bool
) -> None:
    path = folder / "station.db"
    with as_ordinary_user():
        filled(path)
        path.chmod(0o400)

        assert "readonly" in refused(path, durable)


def test_a_database_that_somebody_else_holds_locked_is_refused_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "station.db"
    filled(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert "locked" in refused(path)

    other.close()
    open_database(path, durable=True).close()
