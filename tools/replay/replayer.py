"""One recording, played back record by record."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotwire.firmware.recording import cbor_sequence, header
from pilotwire.firmware.recording.cbor_sequence import MalformedError, TruncatedError, encode
from pilotwire.firmware.recording.known import pack, unpack
from pilotwire.firmware.shell.recorder import CONNECTED, DISCONNECTED, EVENT, RECEIVED, SENT, TICKED, TOLD
from pilotwire.firmware.station import Station
from pilotwire.firmware.store.events import EventJournal
from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.firmware.store.transactions import Transactions
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings

KINDS = ("event", "connected", "disconnected", "received", "ticked", "sent", "told")


@dataclass(frozen=True, slots=True)
class Record:
    """One input and its effects as they were recorded."""

    kind: int
    now_ms: int
    unix_ms: int
    what: Any
    ids: list[str]
    effects: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a replay parts from its recording."""

    number: int
    at_ms: int
    kind: str
    recorded: Any
    replayed: Any


class Recording:
    """A file's header and records; `torn` is the place of an unfinished last record. Raises OSError and MalformedError."""

    def __init__(self, path: Path) -> None:
        self.torn: int | None = None
        items = cbor_sequence.read(path.read_bytes())
        try:
            _, first = next(items)
        except (StopIteration, TruncatedError):
            raise MalformedError(
                f"{path}: too short for a recording; was `pilotwire run --record` stopped at once?"
            ) from None
        if not isinstance(first, list) or len(first) < 2 or first[0] != header.FORMAT:
            raise MalformedError(f"{path}: this is no recording of pilotwire")
        if first[1] != header.VERSION or len(first) != 9:
            raise MalformedError(
                f"{path}: format {first[1]}, this program reads {header.VERSION}; pilotwire {first[2]} has written it"
            )
        self.program, self.python = first[2], first[3]
        self.start_ms, self.start_unix_ms = first[4], first[5]
        self.settings = header.read_settings(first[6])
        self.database, self.last_reading = first[7], first[8]
        self.records = list(self._read(items, path))

    def _read(self, items: Iterator[tuple[int, Any]], path: Path) -> Iterator[Record]:
        try:
            for at, item in items:
                if (
                    not isinstance(item, list)
                    or len(item) != 6
                    or not isinstance(item[0], int)
                    or not 0 <= item[0] < len(KINDS)
                ):
                    raise MalformedError(f"{path}: what begins at byte {at} is no record")
                yield Record(*item)
        except TruncatedError as end:
            self.torn = end.at


class Replayer:
    """A station made from a recording's header; step() feeds it one record."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.number = 0
        self._ids: deque[str] = deque()
        durable = sqlite3.connect(":memory:", isolation_level=None)
        durable.executescript(recording.database)
        journal_db = sqlite3.connect(":memory:", isolation_level=None)
        self.journal = EventJournal(journal_db)
        if recording.last_reading is not None:
            unix_ms, data = recording.last_reading
            self.journal.append(0, unix_ms, "MeterRead", dict(data))
        self._rows: list[Any] = []
        self.journal.on_row = lambda name, data: self._rows.append([name, pack(data)])
        settings = recording.settings
        self.core: ChargePoint16 | None = None
        if settings.ocpp is not None:
            self.core = ChargePoint16(
                ChargePointSettings(
                    vendor=settings.ocpp.vendor,
                    model=settings.ocpp.model,
                    firmware_version=recording.program,
                    phases=settings.limits.phases,
                    heartbeat_s=settings.ocpp.heartbeat_s,
                    meter_values_s=settings.ocpp.meter_values_s,
                ),
                SqliteOcppStore(durable),
                self._next_id,
            )
        self.station = Station(settings, Transactions(durable), self.journal, self.core)

    def _next_id(self) -> str:
        # More ids than were drawn then: the replay has parted already, and the comparison of the effects will say so.
        return self._ids.popleft() if self._ids else "drawn in the replay only"

    def step(self, record: Record) -> Difference | None:
        """Feed one record; returns where the replay differs, if it does."""
        self.number += 1
        self._ids = deque(record.ids)
        effects = self._effects(record)
        if encode(effects) != encode(record.effects) or self._ids:
            recorded = record.effects if not self._ids else [record.effects, {"ids": record.ids}]
            return Difference(self.number, record.now_ms, KINDS[record.kind], recorded, effects)
        return None

    def _effects(self, record: Record) -> Any:
        if record.kind == EVENT:
            self._rows.clear()
            grants = self.station.handle(unpack(record.what), record.now_ms, record.unix_ms)
            return [[grant.limit_ma for grant in grants], list(self._rows)]
        core = self.core
        if core is None:
            raise MalformedError("a record of a central system in a recording without one")
        if record.kind == CONNECTED:
            core.connected(record.now_ms)
        elif record.kind == DISCONNECTED:
            core.disconnected(record.now_ms)
        elif record.kind == RECEIVED:
            core.receive(record.what, record.now_ms, record.unix_ms)
        elif record.kind == TICKED:
            core.tick(record.now_ms, record.unix_ms)
        elif record.kind == SENT:
            return core.data_to_send()
        elif record.kind == TOLD:
            event = core.next_event()
            return None if event is None else pack(event)
        return None
