"""A timeline: every change that a bench can see, to the tick, as lines of text; and its comparison with the one in the project.

It characterises: what is in hil_tests/timelines was looked at once, and from then on nothing changes by accident. It needs a
bench whose clock is exact, so simulated ones only.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from .course import Course

FOLDER = Path(__file__).with_name("timelines")
# What differs from run to run by its nature, or is too noisy to read.
UNTOLD = {
    "MeterRead": ("at_ms",),
    "PilotTaken": ("session",),
    "PilotHello": ("boot", "program", "firmware_hash", "parameter_crc", "capabilities", "reset_reason"),
}


class Timeline:
    """Collects lines while a course is run through it."""

    def __init__(self, course: Course) -> None:
        self.lines: list[str] = []
        self._course = course
        self._events = 0
        self._journal = 0
        self._row: dict[str, Any] = {}
        self._shot: dict[str, Any] = {}
        self._begun_unix_ms: int | None = None

    def do(self, command: str, **arguments: Any) -> None:
        """One command of docs/sim.md, and whether it was refused."""
        words = " ".join(f"{key}={value}" for key, value in arguments.items())
        line = f"{self._course.now_ms} > {command} {words}".rstrip()
        try:
            self._course.ask(command, **arguments)
        except Exception as error:  # each rig has errors of its own; what it refuses belongs into the line
            line += f"   REFUSED {error}"
        self.lines.append(line)

    def run(self, ms: int) -> None:
        """Let time pass, then write down what has happened."""
        self._course.run(ms)
        self.look()

    def look(self) -> None:
        """Write down what has happened since the last look."""
        found: list[tuple[int, str]] = []
        rows = self._course.ask("events", since=self._events)["rows"]
        self._events += len(rows)
        found += [(row["t_ms"], f"{row['name']} {_short(row['value'])}") for row in rows]
        status = self._course.ask("status")
        if status["station_runs"]:
            found += self._new_journal()
        elif (pilot := self._course.ask("host", do="look")).get("pilot") is not None:
            found += self._new_rows(pilot["rows"])
            found += _changes(self._course.now_ms, "pilot", self._row, pilot["pilot"])
        found.sort(key=lambda pair: pair[0])
        self.lines += [f"{t_ms} {words}" for t_ms, words in found]
        if (shot := status["station"]) is not None:
            self.lines += [
                f"{t_ms} {words}" for t_ms, words in _changes(self._course.now_ms, "says", self._shot, _said(shot))
            ]

    def _new_rows(self, rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        since_ms = self._row.get("t_ms", -1)
        for row in rows:
            if row["t_ms"] > since_ms:
                found += _changes(row["t_ms"], "pilot", self._row, row)
        return found

    def _new_journal(self) -> list[tuple[int, str]]:
        rows = self._course.ask("journal", since=self._journal)["rows"]
        self._journal += len(rows)
        found = []
        for row in rows:
            if self._begun_unix_ms is None:
                self._begun_unix_ms = row["unix_ms"]
            data = {key: value for key, value in row["data"].items() if key not in UNTOLD.get(row["name"], ())}
            words = " ".join(f"{key}={_short(value)}" for key, value in data.items() if value not in (None, "", []))
            found.append((row["unix_ms"] - self._begun_unix_ms, f"journal {row['name']} {words}".rstrip()))
        return found

    def text(self) -> str:
        """All of it, without the port that the meter happens to have."""
        return re.sub(r"127\.0\.0\.1:[0-9]+", "METER", "\n".join(self.lines)) + "\n"


def _said(shot: dict[str, Any]) -> dict[str, Any]:
    """Of what a station says of itself, what is the same in each run."""
    pilot, session = dict(shot["pilot"]), dict(shot["session"])
    for key in ("age_ms", "lease_left_ms", "program"):
        pilot.pop(key, None)
    session.pop("transaction", None)
    return {**{f"pilot.{key}": value for key, value in pilot.items()}, **session, "allocation": shot["allocation"]}


def _changes(t_ms: int, what: str, before: dict[str, Any], now: dict[str, Any]) -> list[tuple[int, str]]:
    changed = {key: value for key, value in now.items() if before.get(key) != value and key != "lease_left_ms"}
    before.clear()
    before.update(now)
    changed.pop("t_ms", None)
    if not changed:
        return []
    return [(t_ms, f"{what} " + " ".join(f"{key}={_short(value)}" for key, value in changed.items()))]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_short(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_short(item)}" for key, item in value.items()) + "}"
    return str(value)


def compare(name: str, text: str, *, write: bool) -> None:
    """Compare with the project's timeline of that name, or write it; AssertionError shows the first differences."""
    file = FOLDER / f"{name}.txt"
    if write:
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
        return
    expected = file.read_text()
    if text != expected:
        lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), "in the project", "now", "", "", 2, "")
        shown = [line[:300] for _, line in zip(range(30), lines, strict=False)]
        raise AssertionError("the timeline has changed (--write-timelines keeps the new one):\n" + "\n".join(shown))
