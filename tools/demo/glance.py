"""One tolerant glance at the station's status snapshot, for whoever shows it to a person.

The station may not be up yet, may have been killed, or may be older than this program: every field that is absent, null
or of another type becomes None (or an empty tuple) here, once, so that nothing that draws has to ask again.
Text from the wire is cleaned, because an id tag or a fault name must not be able to steer the terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotwire.firmware.kernel.duty import advertised_ma

PILOT_STALE_MS = 300
"""The pilot sends its state every 100 ms: three missing frames are worth showing."""
METER_STALE_MS = 3000
"""Three missing readings at the usual poll of one second."""
STATION_SILENT_S = 1.0
"""Snapshots come every 200 ms: five missing ones are worth showing."""

STATE_MEANINGS = {
    "A": "no car",
    "B": "car connected",
    "C": "charging requested",
    "D": "charging, ventilation",
    "E": "pilot shorted",
    "F": "station not available",
    "?": "not known",
}


@dataclass(frozen=True, slots=True)
class PilotGlance:
    """What the pilot last said, and how long ago."""

    online: bool | None = None
    age_ms: float | None = None
    state: str = "?"
    high_v: float | None = None
    low_v: float | None = None
    duty_percent: float | None = None
    contactor: str | None = None
    faults: tuple[str, ...] = ()
    lease_left_s: float | None = None
    program: str | None = None

    @property
    def lost(self) -> bool:
        """The station says that the pilot does not answer."""
        return self.online is False

    @property
    def stale(self) -> bool:
        """The pilot still counts as present, but frames are missing."""
        return not self.lost and self.age_ms is not None and self.age_ms > PILOT_STALE_MS


@dataclass(frozen=True, slots=True)
class Reason:
    """One limit that took part in the allocation."""

    source: str
    value_a: float | None
    left_s: float | None
    """Seconds for which it stays valid; None when it does not end."""
    binds: bool


@dataclass(frozen=True, slots=True)
class MeterGlance:
    """The last meter reading, and how long ago."""

    online: bool | None = None
    age_ms: float | None = None
    power_w: float | None = None
    current_a: tuple[float | None, ...] = ()
    energy_import_wh: float | None = None

    @property
    def stale(self) -> bool:
        """Nobody should take these numbers for present ones."""
        return self.online is False or (self.age_ms is not None and self.age_ms > METER_STALE_MS)


@dataclass(frozen=True, slots=True)
class Message:
    """One OCPP message."""

    unix_ms: float | None
    outgoing: bool
    action: str
    kind: str


@dataclass(frozen=True, slots=True)
class OcppGlance:
    """The connection to the central system; `traffic` is oldest first."""

    connected: bool | None = None
    registered: bool | None = None
    queue: float | None = None
    traffic: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """The whole station at one instant; a section is None while the station does not report it."""

    now_ms: float | None = None
    station: str | None = None
    pilot: PilotGlance | None = None
    session: str | None = None
    session_step: str | None = None
    """Where the session's own state machine is; `session` is what the operator is told."""
    why: str | None = None
    transaction: str | None = None
    """Reference, OCPP id and tag in words; None without a transaction."""
    transaction_wh: float | None = None
    limit_a: float | None = None
    granted_a: float | None = None
    """What the lease says now; less than the limit while there is no session to charge."""
    binding: str | None = None
    reasons: tuple[Reason, ...] = ()
    meter: MeterGlance | None = None
    ocpp: OcppGlance | None = None
    stand_alone: bool = False
    """The station is up and says that it has no central system."""


class StationWatch:
    """Notices that snapshots stopped changing: the station was killed or hangs, whatever its last words were."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._since_s: float | None = None

    def silent_s(self, now_ms: float | None, elapsed_s: float) -> float:
        """Return for how many seconds the station's clock `now_ms` has stood still; 0.0 before its first snapshot."""
        if now_ms != self._last and now_ms is not None:
            self._last, self._since_s = now_ms, elapsed_s
        return 0.0 if self._since_s is None else max(0.0, elapsed_s - self._since_s)


def glance(snapshot: Mapping[str, Any] | None) -> Glance:
    """Read what can be read of a snapshot (shape: one JSON line of the status socket); never raises on its content."""
    top = section(snapshot)
    now_ms = number(top.get("now_ms"))
    session = section(top.get("session"))
    transaction = section(session.get("transaction"))
    allocation = section(top.get("allocation"))
    binding = text(allocation.get("binding"))
    return Glance(
        now_ms=now_ms,
        station=text(top.get("station")),
        pilot=_pilot(section(top.get("pilot"))),
        session=text(session.get("state")),
        session_step=text(session.get("step")),
        why=text(session.get("why")),
        transaction=_transaction(transaction),
        transaction_wh=number(transaction.get("energy_wh")),
        limit_a=_thousandth(allocation.get("limit_ma")),
        granted_a=_thousandth(allocation.get("granted_ma")),
        binding=binding,
        reasons=tuple(_reason(section(item), binding, now_ms) for item in _items(allocation.get("reasons"))),
        meter=_meter(section(top.get("meter"))),
        ocpp=_ocpp(section(top.get("ocpp"))),
        stand_alone="ocpp" in top and top["ocpp"] is None,
    )


def amps_of_duty(duty_percent: float) -> float | None:
    """Return the current in amperes that a duty cycle allows a car, or None where it allows none."""
    allowed_ma = advertised_ma(round(duty_percent * 100.0))
    return allowed_ma / 1000.0 if allowed_ma else None


def meaning_of_duty(duty_percent: float) -> str:
    """Say in a few words what the car takes a duty cycle for."""
    amps = amps_of_duty(duty_percent)
    if amps is not None:
        return f"allows {amps:.1f} A"
    if duty_percent <= 0.0:
        return "steady low, not available"
    if duty_percent >= 100.0:
        return "no PWM, no charging"
    return "digital communication" if 3.0 <= duty_percent <= 7.0 else "no charging"


def section(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """Return a finite number, or None for anything else (true and false are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # JSON knows no largest integer
        return None


def text(value: object) -> str | None:
    """Return printable text on one line, or None when there is none; control characters become spaces."""
    if not isinstance(value, str):
        return None
    clean = " ".join("".join(char if char.isprintable() else " " for char in value).split())
    return clean or None


def _thousandth(value: object) -> float | None:
    whole = number(value)
    return None if whole is None else whole / 1000.0


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _pilot(raw: Mapping[str, Any]) -> PilotGlance | None:
    if not raw:
        return None
    return PilotGlance(
        online=_flag(raw.get("online")),
        age_ms=number(raw.get("age_ms")),
        state=text(raw.get("state")) or "?",
        high_v=_thousandth(raw.get("cp_high_mv")),
        low_v=_thousandth(raw.get("cp_low_mv")),
        duty_percent=number(raw.get("duty_percent")),
        contactor=text(raw.get("contactor")),
        faults=tuple(fault for item in _items(raw.get("faults")) if (fault := text(item))),
        lease_left_s=_thousandth(raw.get("lease_left_ms")),
        program=text(raw.get("program")),
    )


def _transaction(raw: Mapping[str, Any]) -> str | None:
    if not raw:
        return None
    words = []
    for key, word in (("ref", "ref"), ("ocpp_id", "OCPP")):
        value = raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            words.append(f"{word} {value}")
    if tag := text(raw.get("id_tag")):
        words.append(f"tag {tag}")
    return ", ".join(words) or "open"


def _reason(raw: Mapping[str, Any], binding: str | None, now_ms: float | None) -> Reason:
    source, ident = text(raw.get("source")), text(raw.get("id"))
    parts = [part for part in (source, ident) if part]
    # The station words the binding reason as "source id allows 16 A"; an id may be the beginning of another id.
    name = " ".join(parts)
    until_ms = number(raw.get("valid_until_ms"))
    left_s = (until_ms - now_ms) / 1000.0 if until_ms is not None and now_ms is not None else None
    return Reason(
        source=name or "unnamed",
        value_a=_thousandth(raw.get("value_ma")),
        left_s=left_s,
        binds=bool(name) and f"{binding} ".startswith(f"{name} "),
    )


def _meter(raw: Mapping[str, Any]) -> MeterGlance | None:
    if not raw:
        return None
    return MeterGlance(
        online=_flag(raw.get("online")),
        age_ms=number(raw.get("age_ms")),
        power_w=number(raw.get("power_w")),
        current_a=tuple(number(item) for item in _items(raw.get("current_a"))),
        energy_import_wh=number(raw.get("energy_import_wh")),
    )


def _ocpp(raw: Mapping[str, Any]) -> OcppGlance | None:
    if not raw:
        return None
    messages = [section(item) for item in _items(raw.get("traffic"))]
    return OcppGlance(
        connected=_flag(raw.get("connected")),
        registered=_flag(raw.get("registered")),
        queue=number(raw.get("queue")),
        traffic=tuple(
            Message(
                unix_ms=number(message.get("unix_ms")),
                outgoing=message.get("dir") != "in",
                action=text(message.get("action")) or "?",
                kind=text(message.get("kind")) or "?",
            )
            for message in messages
        ),
    )
