"""Writes every input of the station's pure parts to a file, with what they made of it; tools/replay reads it.

One item for each input, in the order in which they were handled: [kind, monotonic ms, unix ms, input, message ids drawn, effects].
A recording must never be in the way of the station: whatever fails here ends the recording with one warning.
"""

from __future__ import annotations

import logging
import platform
import sqlite3
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pilotwire.firmware.config import Settings
from pilotwire.firmware.recording import header
from pilotwire.firmware.recording.cbor_sequence import encode
from pilotwire.firmware.recording.known import pack
from pilotwire.firmware.recording.redaction import Redactor
from pilotwire.firmware.session.events import Grant, TokenPresented
from pilotwire.firmware.store.events import EventJournal
from pilotwire.protocols.ocpp.events import Event

# Kinds of records.
EVENT, CONNECTED, DISCONNECTED, RECEIVED, TICKED, SENT, TOLD = range(7)

FLUSH_MS = 1000
log = logging.getLogger(__name__)


class Recorder:
    """One recording; begin() opens it, close() ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._redactor = Redactor()
        self._file: BinaryIO | None = None
        self._ids: list[str] = []
        self._rows: list[Any] = []
        self._flushed_ms = 0

    def begin(
        self, settings: Settings, durable: sqlite3.Connection, journal: EventJournal, now_ms: int, unix_ms: int
    ) -> None:
        """Write the header, before the station is built. Raises OSError when the file cannot be made."""
        last = journal.last("MeterRead")
        self._file = self._path.open("wb")
        self._path.chmod(0o600)
        self._write(
            [
                header.FORMAT,
                header.VERSION,
                version("pilotwire"),
                platform.python_version(),
                now_ms,
                unix_ms,
                header.settings_text(settings, self._redactor),
                header.database_text(durable, self._redactor),
                None if last is None else [last["unix_ms"], pack(last["data"])],
            ]
        )
        self._flush(now_ms)
        journal.on_row = self._row

    def note_id(self, message_id: str) -> str:
        """A message id has been drawn; returns it."""
        self._ids.append(message_id)
        return message_id

    def event(self, event: object, now_ms: int, unix_ms: int, grants: Iterable[Grant]) -> None:
        """The station has handled an event."""
        rows, self._rows = self._rows, []
        self._record(EVENT, now_ms, unix_ms, pack(self._clean(event)), [[grant.limit_ma for grant in grants], rows])

    def core(self, kind: int, now_ms: int, unix_ms: int, what: str | None = None) -> None:
        """The OCPP core has been connected, disconnected, told a text, or ticked."""
        self._record(kind, now_ms, unix_ms, None if what is None else self._redactor.text(what), None)

    def sent(self, texts: list[str]) -> None:
        """The OCPP core has given these texts to be sent."""
        self._record(SENT, 0, 0, None, [self._redactor.text(text) for text in texts])

    def told(self, event: Event) -> None:
        """The OCPP core has told the station something."""
        self._record(TOLD, 0, 0, None, pack(self._clean(event)))

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._guarded(self._file.close)
            self._file = None

    def _row(self, name: str, data: dict[str, Any]) -> None:
        if self._file is not None:
            self._rows.append([name, pack(self._redactor.fields(data))])

    def _clean(self, event: Any) -> Any:
        tag = getattr(event, "id_tag", None)
        if not isinstance(tag, str):
            return event
        if isinstance(event, msgspec.Struct):
            return msgspec.structs.replace(event, id_tag=self._redactor.tag(tag))
        return TokenPresented(self._redactor.tag(tag)) if isinstance(event, TokenPresented) else event

    def _record(self, kind: int, now_ms: int, unix_ms: int, what: Any, effects: Any) -> None:
        if self._file is None:
            return
        ids, self._ids = self._ids, []
        self._write([kind, now_ms, unix_ms, what, ids, effects])
        if now_ms - self._flushed_ms >= FLUSH_MS:
            self._flush(now_ms)

    def _write(self, item: list[Any]) -> None:
        data = encode(item)
        file = self._file
        if file is not None:
            self._guarded(lambda: file.write(data))

    def _flush(self, now_ms: int) -> None:
        self._flushed_ms = now_ms
        if self._file is not None:
            self._guarded(self._file.flush)

    def _guarded(self, action: Any) -> None:
        try:
            action()
        except OSError as error:
            log.warning("%s: the recording ends here, the station goes on: %s", self._path, error)
            file, self._file = self._file, None
            if file is not None:
                try:
                    file.close()
                except OSError:
                    log.debug("and the file could not be closed")
