"""How the station's SQLite files are opened.

Two files with different promises. `station.db` holds what may never be lost (transactions, messages to the back end): each commit
is on the disk when the call returns. `events.db` holds the event journal: it survives the death of the process (WAL), a power cut
may take its last seconds, and in return the disk is not forced to write for every reading.
"""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path


class StoreError(Exception):
    """The data folder or a database in it cannot be used; the text names the file and the remedy."""


JOURNAL_WAIT_S = 0.05
"""How long the event journal waits for a lock: it runs on the loop that renews the lease, and may lose a row instead."""


class DataDirLock:
    """Holds a data folder for one process, for as long as that process lives, however it ends.

    Two stations on one folder would close each other's transactions. Raises StoreError when another holds it.
    """

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / "lock"
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = path.open("w")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreError(
                f"{data_dir}: another station is running on this folder; stop it, or give each its own station.data_dir"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be made ({error.strerror}); station.data_dir must be a folder this user may write to"
            ) from error

    def release(self) -> None:
        """Give the folder back."""
        self._file.close()


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a database only to look: takes no lock that its writer would have to wait for. Raises sqlite3.Error."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=2.0)


def open_database(path: Path, durable: bool) -> sqlite3.Connection:
    """Open or create a database; `durable` makes every commit wait for the disk, and reads all of it once for damage.

    Raises StoreError here for whatever can be known now: later, in the middle of a session, is too late.
    """
    connection = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=2.0 if durable else JOURNAL_WAIT_S)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError(f"no write-ahead log here, only journal mode {mode}")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        # Write something and take it back: SQLite opens a file that may only be read without a word.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE writable (probe)")
        connection.execute("ROLLBACK")
        if durable:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(str(found).strip())
    except (OSError, sqlite3.Error) as error:
        if connection is not None:
            connection.close()
        raise StoreError(
            f"{path}: cannot be used as a database ({error}); station.data_dir must be a folder this user may write to, "
            "and a damaged file must be moved away by hand"
        ) from error
    return connection
