"""The external watchdog: what is asked of it before the start, and how it is fed.

Two kinds. "device" is a hardware watchdog of Linux, which resets the whole board; that it really fires cannot be tried at each
start, so a commissioning test (commission.py) has left a record. "gpio" is a supervisor that cuts the coil's supply and is seen to
do so; it is tried at each start (selftest.py).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Protocol

from pilotwire.boards.linux_direct import refusal
from pilotwire.boards.linux_direct.config import Config, Watchdog
from pilotwire.boards.linux_direct.lines import Lines
from pilotwire.boards.linux_direct.refusal import RefusedError
from pilotwire.boards.linux_direct.sysfs import Attribute

CARD_RESET = 0x20  # WDIOF_CARDRESET of linux/watchdog.h: the watchdog caused the last reset
FEEDS_PER_TIMEOUT = 8
PROVED = "proved"


class Feeder(Protocol):
    """Feeds the watchdog."""

    def feed(self, now_ns: int) -> None:
        """A whole tick is done at now_ns; raises OSError."""
        ...


class DeviceFeeder:
    """Feeds a watchdog device. Opening it starts it; it is never told to stop, so it resets a board without a pilot."""

    def __init__(self, device: Path, timeout_ms: int) -> None:
        self._descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        self._period_ns = timeout_ms * 1_000_000 // FEEDS_PER_TIMEOUT
        self._next_ns = 0

    def feed(self, now_ns: int) -> None:
        """Feed it, several times within its time-out."""
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + self._period_ns
            os.write(self._descriptor, b"\0")  # anything but the letter V, which may allow a close to stop it


class LineFeeder:
    """Feeds a supervisor: every tick is an edge of its line."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._level = False

    def feed(self, now_ns: int) -> None:
        """One edge, whatever the time."""
        self._level = not self._level
        self._lines.put("feed", self._level)
        self._lines.flush()


def attribute(folder: Path, name: str) -> str:
    """One line of a watchdog's sysfs folder; raises OSError."""
    opened = Attribute(folder / name)
    try:
        return opened.text()
    finally:
        opened.close()


def check(config: Config) -> Watchdog:
    """Everything that can be judged without starting it; raises RefusedError."""
    settings = config.watchdog
    if settings is None:
        raise RefusedError(
            refusal.WATCHDOG_UNDECLARED,
            "no external watchdog is declared; fit one and describe it in [watchdog]",
        )
    if settings.kind == "device":
        _check_device(settings, config.unique_id)
    return settings


def _check_device(settings: Watchdog, unique_id: bytes) -> None:
    assert settings.sysfs is not None
    assert settings.device is not None
    try:
        timeout_ms = int(attribute(settings.sysfs, "timeout")) * 1000
        stoppable = attribute(settings.sysfs, "nowayout") != "1"
        identity = attribute(settings.sysfs, "identity")
    except (OSError, ValueError) as error:
        raise RefusedError(refusal.WATCHDOG_MISSING, f"the watchdog cannot be examined: {error}") from None
    if not settings.device.exists():
        raise RefusedError(refusal.WATCHDOG_MISSING, f"there is no watchdog device {settings.device}")
    if timeout_ms > settings.timeout_ms:
        raise RefusedError(
            refusal.WATCHDOG_LONG,
            f"the watchdog's time-out is {timeout_ms} ms, declared are at most {settings.timeout_ms} ms; "
            "set it where its driver is loaded",
        )
    if stoppable:
        raise RefusedError(
            refusal.WATCHDOG_STOPPABLE,
            "the watchdog can be stopped (nowayout is not 1); set nowayout=1 where its driver is loaded",
        )
    wrong = _proof_is_wrong(settings, unique_id, identity, timeout_ms)
    if wrong:
        raise RefusedError(
            refusal.WATCHDOG_UNPROVEN,
            f"{wrong}; run the commissioning test (python -m pilotwire.boards.linux_direct.commission)",
        )


def _proof_is_wrong(settings: Watchdog, unique_id: bytes, identity: str, timeout_ms: int) -> str | None:
    assert settings.proof is not None
    record = read_record(settings.proof)
    if record is None or record.get("state") != PROVED:
        return f"there is no proof in {settings.proof} that this watchdog ever fired"
    if record.get("board") != unique_id.hex():
        return f"the proof in {settings.proof} is that of board {record.get('board')}, not of {unique_id.hex()}"
    if record.get("watchdog") != identity:
        return f"the proof in {settings.proof} is that of watchdog {record.get('watchdog')!r}, not of {identity!r}"
    if record.get("timeout_ms") != timeout_ms:
        return f"the proof in {settings.proof} was made with {record.get('timeout_ms')} ms, the time-out is {timeout_ms} ms"
    return None


def read_record(path: Path) -> dict[str, Any] | None:
    """The commissioning record, or None where there is none that is whole."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.pop("sha256", None) != seal(record):
        return None
    return record


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Store it so that a power cut leaves the old one or the new one; raises OSError."""
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        json.dump({**record, "sha256": seal(record)}, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the board is about to be reset
    finally:
        os.close(folder)


def seal(record: dict[str, Any]) -> str:
    """SHA-256 of a record: against damage and copying mistakes, not against somebody who wants to cheat."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
