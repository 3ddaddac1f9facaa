"""The classes that may stand in a recording, by name: a file can name these and no others, and reading it runs no code in it."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from pilotwire.firmware.energy.allocation import Allocation, Limit
from pilotwire.firmware.recording.cbor_sequence import MalformedError, Named
from pilotwire.firmware.session import events as session
from pilotwire.firmware.store.transactions import Transaction
from pilotwire.hal.ports import MeterReading
from pilotwire.protocols.link import station as link
from pilotwire.protocols.ocpp import events as ocpp

LINK = (
    link.PilotHello,
    link.PilotRefused,
    link.PilotForeign,
    link.PilotTaken,
    link.PilotState,
    link.PilotStale,
    link.PilotLost,
    link.PilotResult,
)
"""Plain classes: their fields are what they hold, in alphabetical order."""

VALUES = (
    session.PilotChanged,
    session.PilotLost,
    session.TokenAccepted,
    session.TokenPresented,
    session.StopRequested,
    session.MeterRead,
    session.MeterLost,
    session.AllocationChanged,
    session.Ticked,
    session.Grant,
    MeterReading,
    Allocation,
    Limit,
    Transaction,
)
STRUCTS = (
    ocpp.BackendUp,
    ocpp.BackendDown,
    ocpp.Authorized,
    ocpp.RemoteStartRequested,
    ocpp.RemoteStopRequested,
    ocpp.MeterValuesRequested,
    ocpp.TransactionAnswered,
    ocpp.ChargingProfilesChanged,
    ocpp.MessageAbandoned,
    ocpp.PeerMisbehaved,
    ocpp.Traffic,
)


def _name(kind: type) -> str:
    # The link and the session both have a PilotLost.
    return f"{kind.__module__.removeprefix('pilotwire.').split('.')[-1]}.{kind.__name__}"


_NAMES: dict[type, str] = {kind: _name(kind) for kind in (*LINK, *VALUES, *STRUCTS)}
_CLASSES = {f"{kind.__module__.split('.')[-2]}.{name}": kind for kind, name in _NAMES.items()}
_NAMES = {kind: name for name, kind in _CLASSES.items()}
_FIELDS: dict[type, tuple[str, ...]] = {
    **{kind: tuple(each.name for each in dataclasses.fields(kind)) for kind in VALUES},
    **{kind: kind.__struct_fields__ for kind in STRUCTS},
}


def pack(value: Any) -> Any:
    """The value as something cbor_sequence can encode; raises TypeError for an object of a class that is not known."""
    kind = type(value)
    if kind in _NAMES:
        if kind in _FIELDS:
            fields = tuple(pack(getattr(value, field)) for field in _FIELDS[kind])
        else:
            fields = tuple((name, pack(item)) for name, item in sorted(vars(value).items()))
        return Named(_NAMES[kind], fields)
    if kind is list:
        return [pack(each) for each in value]
    if kind is tuple:
        return tuple(pack(each) for each in value)
    if kind is dict:
        return [[pack(key), pack(item)] for key, item in value.items()]
    return value


def unpack(value: Any) -> Any:
    """The inverse of pack (a dict stays a list of pairs); raises MalformedError for an object that cannot be."""
    if isinstance(value, Named):
        return _build(value)
    if type(value) is list:
        return [unpack(each) for each in value]
    if type(value) is tuple:
        return tuple(unpack(each) for each in value)
    return value


def _build(named: Named) -> Any:
    kind = _CLASSES.get(named.name)
    if kind is None:
        raise MalformedError(f"there is no {named.name} in this version of pilotwire")
    fields = [unpack(field) for field in named.fields]
    if kind not in _FIELDS:
        plain: Any = object.__new__(kind)
        for pair in fields:
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str):
                raise MalformedError(f"a field of {named.name} is not a name and a value: {pair!r}")
            setattr(plain, pair[0], pair[1])
        return plain
    if len(fields) != len(_FIELDS[kind]):
        raise MalformedError(f"{named.name} has {len(_FIELDS[kind])} fields, not {len(fields)}")
    if issubclass(kind, msgspec.Struct):
        return kind(*fields)
    return kind(**dict(zip(_FIELDS[kind], fields, strict=True)))
