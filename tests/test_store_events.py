"""The event journal on a real SQLite file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilotwire.firmware.store import events
from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.events import EventJournal

CHILD = """
import sys, time
from pathlib import Path
from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.events import EventJournal
journal = EventJournal(open_database(Path(sys.argv[1]), durable=False))
for number in range(300):
    journal.append(number, 1000 + number, 'MeterRead', {'number': number})
print('ready', flush=True)
time.sleep(600)
"""


def test_every_event_written_before_kill_9_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        finally:
            child.kill()
        assert child.wait() == -signal.SIGKILL

    connection = open_database(path, durable=False)
    rows = EventJournal(connection).rows()
    connection.close()
    assert [row["data"]["number"] for row in rows] == list(range(300))
    assert rows[-1] == {"at_ms": 299, "unix_ms": 1299, "name": "MeterRead", "data": {"number": 299}}


def test_rows_come_back_as_they_went_in_and_by_name_when_asked(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "events.db", durable=False)
    journal = EventJournal(connection)
    data = {"text": 'ö"\n', "list": [1, 2.5, None, True], "nested": {"a": []}}
    journal.append(1, 2, "One", data)
    journal.append(3, 4, "Two", {})

    assert journal.rows("One") == [{"at_ms": 1, "unix_ms": 2, "name": "One", "data": data}]
    assert [row["name"] for row in journal.rows()] == ["One", "Two"]
    assert journal.rows("Three") == []
    connection.close()


@pytest.mark.parametrize("restarts", [0, 3])
def test_the_oldest_rows_go_when_there_are_too_many_also_when_the_station_restarts_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: int
) -> None:
    monkeypatch.setattr(events, "KEEP_ROWS", 500)
    total = 20_000
    numbers = list(range(total))
    share = total // (restarts + 1)
    for start in range(0, total, share):
        connection = open_database(tmp_path / "events.db", durable=False)
        journal = EventJournal(connection)
        connection.execute("BEGIN")  # only to be quick about it
        for number in numbers[start : start + share]:
            journal.append(number, number, "N", {})
        connection.execute("COMMIT")
        kept = [row["at_ms"] for row in journal.rows()]
        connection.close()

    assert kept == numbers[-500:]
