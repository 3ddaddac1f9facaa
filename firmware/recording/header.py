"""The first item of a recording: what a replay needs to begin where the station began."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import types
import typing
from pathlib import Path
from typing import Any

from pilotwire.firmware.config import SECTIONS, OcppSettings, Settings
from pilotwire.firmware.recording.cbor_sequence import MalformedError
from pilotwire.firmware.recording.redaction import Redactor

FORMAT = "pilotwire-recording"
VERSION = 1


def settings_text(settings: Settings, redactor: Redactor) -> str:
    """The settings as JSON, without secrets."""
    sections: dict[str, Any] = {}
    for name in SECTIONS:
        section = getattr(settings, name)
        if section is None:
            continue
        values = {field.name: getattr(section, field.name) for field in dataclasses.fields(section)}
        if isinstance(section, OcppSettings):
            values["password"] = None
        if name == "authorisation":
            values["id_tags"] = [redactor.tag(tag) for tag in section.id_tags]
        sections[name] = values
    return json.dumps(sections, default=_plain)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else str(value)


def read_settings(text: str) -> Settings:
    """The inverse; raises MalformedError naming the section that cannot be read."""
    try:
        sections = json.loads(text)
        values: dict[str, Any] = {
            name: _section(kind, sections[name]) if name in sections else None for name, kind in SECTIONS.items()
        }
        return Settings(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"the settings in the header cannot be read: {error}") from error


def _section(kind: type[Any], values: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _as(hints[name], value) for name, value in values.items()})


def _as(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return None if value is None else _as(next(each for each in hint.__args__ if each is not type(None)), value)
    if hint is Path:
        return Path(value)
    if hint is bytes:
        return bytes.fromhex(value)
    return tuple(value) if typing.get_origin(hint) is tuple else value


def database_text(connection: sqlite3.Connection, redactor: Redactor) -> str:
    """The station's durable database as SQL, without tags."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.backup(copy)
        for table in ("transactions", "ocpp_transactions"):
            if _exists(copy, table):
                for row, tag in copy.execute(f"SELECT rowid, id_tag FROM {table}").fetchall():  # noqa: S608
                    copy.execute(f"UPDATE {table} SET id_tag = ? WHERE rowid = ?", (redactor.tag(tag), row))  # noqa: S608
        if _exists(copy, "ocpp_outbox"):
            for row, payload, frame in copy.execute("SELECT rowid, payload, frame FROM ocpp_outbox").fetchall():
                clean = redactor.text(bytes(payload).decode()).encode()
                copy.execute(
                    "UPDATE ocpp_outbox SET payload = ?, frame = ? WHERE rowid = ?", (clean, redactor.text(frame), row)
                )
        return "\n".join(copy.iterdump())
    finally:
        copy.close()


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None
