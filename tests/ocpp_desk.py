"""A charge point on a desk: the real core on a real SQLite store, joined to a central system the test plays itself."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings

NOON = 1_704_110_400_000
"""2024-01-01T12:00:00Z in unix ms."""

Frame = list[Any]

OK: dict[str, dict[str, Any]] = {
    "BootNotification": {"status": "Accepted", "currentTime": "2024-01-01T12:00:00Z", "interval": 300},
    "Heartbeat": {"currentTime": "2024-01-01T12:00:00Z"},
    "StatusNotification": {},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StartTransaction": {"transactionId": 77, "idTagInfo": {"status": "Accepted"}},
    "MeterValues": {},
    "StopTransaction": {},
}

_ids = count(1)


class Desk:
    """One charge point; `restart` builds it again on the same database, as a power cut would."""

    def __init__(self, path: Path | str = ":memory:", **settings: Any) -> None:
        self.settings = ChargePointSettings(**{"vendor": "Pilotwire", "model": "Desk", **settings})
        self.db = sqlite3.connect(path, isolation_level=None)
        weakref.finalize(self, self.db.close)  # a desk has no end of its own; Python 3.13 warns of databases left open
        self.now_ms = 1_000
        self.unix_ms = NOON
        self.texts: list[str] = []
        self.seen: list[events.Event] = []
        self._taken = 0
        self.core = self._core()

    def _core(self) -> ChargePoint16:
        return ChargePoint16(self.settings, SqliteOcppStore(self.db), lambda: f"id-{next(_ids)}")

    def restart(self) -> None:
        """The process dies and comes back."""
        self.core = self._core()

    def connect(self) -> None:
        self.core.connected(self.now_ms)
        self.flush()

    def disconnect(self) -> None:
        self.core.disconnected(self.now_ms)
        self.flush()

    def register(self) -> None:
        """Connect, be accepted, and have everything waiting answered."""
        self.connect()
        self.settle()

    def flush(self) -> None:
        self.texts += self.core.data_to_send()
        while (event := self.core.next_event()) is not None:
            self.seen.append(event)

    def tick(self, ms: int = 0) -> None:
        """Let time pass, then tick."""
        self.now_ms += ms
        self.unix_ms += ms
        self.core.tick(self.now_ms, self.unix_ms)
        self.flush()

    def hear(self, text: str | Frame) -> list[Frame]:
        """Something arrives; returns what was sent because of it."""
        self.take()
        self.core.receive(text if isinstance(text, str) else json.dumps(text), self.now_ms, self.unix_ms)
        self.flush()
        return self.take()

    def ask(self, action: str, payload: dict[str, Any]) -> Frame | None:
        """Call the charge point; returns its CALLRESULT or CALLERROR, None when it stays silent."""
        message_id = f"ask-{next(_ids)}"
        sent = self.hear([2, message_id, action, payload])
        found = [frame for frame in sent if frame[0] != 2]
        assert len(found) <= 1
        assert all(frame[1] == message_id for frame in found)
        self._taken -= len(sent) - len(found)  # calls of its own stay for `take`
        return found[0] if found else None

    def take(self) -> list[Frame]:
        """Frames sent since the last look."""
        self.flush()
        new = [json.loads(text) for text in self.texts[self._taken :]]
        self._taken = len(self.texts)
        return new

    def answer(self, frame: Frame, payload: dict[str, Any] | None = None) -> None:
        """Answer a call of the charge point, well by default."""
        body = OK[frame[2]] if payload is None else payload
        self.core.receive(json.dumps([3, frame[1], body]), self.now_ms, self.unix_ms)
        self.flush()

    def refuse(self, frame: Frame, code: str = "InternalError") -> None:
        self.core.receive(json.dumps([4, frame[1], code, "no", {}]), self.now_ms, self.unix_ms)
        self.flush()

    def settle(self, reply: Callable[[Frame], dict[str, Any] | None] = lambda _frame: None) -> list[Frame]:
        """Answer calls until nothing more comes without time passing; returns the calls."""
        calls: list[Frame] = []
        self.tick()
        while new := self.take():
            for frame in new:
                if frame[0] == 2:
                    calls.append(frame)
                    self.answer(frame, reply(frame))
            self.tick()
            assert len(calls) < 1000, "it never becomes quiet"
        return calls

    def happened(self, *kinds: type) -> list[Any]:
        """Events of these kinds so far."""
        return [event for event in self.seen if isinstance(event, kinds)]


TX = "TxProfile"


def profile(purpose: str = "ChargePointMaxProfile", limit: float = 10, **fields: Any) -> dict[str, Any]:
    schedule = fields.pop("schedule", {})
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            **schedule,
        },
        **fields,
    }


def registered(**settings: Any) -> Desk:
    desk = Desk(**settings)
    desk.register()
    return desk


def charging(transaction_id: int = 77) -> Desk:
    """A desk with transaction 1 running, known to the central system under `transaction_id`."""
    desk = registered()
    desk.core.start_transaction(1, 1, "TAG", 0, desk.unix_ms)
    answer = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
    desk.settle(lambda frame: answer if frame[2] == "StartTransaction" else None)
    return desk


def status_of(answer: Frame | None) -> str:
    assert answer is not None
    assert answer[0] == 3, answer
    return str(answer[2]["status"])


def set_profile(desk: Desk, connector: int, wire: dict[str, Any]) -> str:
    return status_of(desk.ask("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": wire}))


def limit_a(desk: Desk) -> float | None:
    found = desk.core.charging_limit(1, desk.unix_ms)
    return None if found is None else found.limit_a
