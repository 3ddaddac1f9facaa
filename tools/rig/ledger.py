"""What a central system has on record: transactions out of the raw frames it saw, duplicates removed.

A resend is the same frame again. A StartTransaction is known by connector, id tag, time and meter start, a StopTransaction by
transaction id; whatever is left after that must stand once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CALL, RESULT = 2, 3


@dataclass(slots=True)
class RecordedTransaction:
    """One transaction as the central system can know it."""

    start: dict[str, Any]
    ids: list[int] = field(default_factory=list)
    """Every transaction id that was given out for this start; more than one after a resend."""
    stops: list[dict[str, Any]] = field(default_factory=list)
    """Different StopTransaction payloads for it; there should be at most one."""

    @property
    def energy_wh(self) -> int | None:
        """Energy by the central system's record."""
        return self.stops[0]["meterStop"] - self.start["meterStart"] if self.stops else None


class Ledger:
    """Reads raw frames ({"frame": "in" | "out", "text": ...}, "in" from the charge point) in order."""

    def __init__(self, frames: Iterable[Mapping[str, Any]]) -> None:
        self.transactions: list[RecordedTransaction] = []
        self.altered: list[str] = []
        """Message ids that came more than once with different texts."""
        self.actions: list[str] = []
        """Actions of the calls from the charge point in the order of their first arrival."""
        self.stray_stops: list[dict[str, Any]] = []
        """StopTransactions for an id nobody was given."""
        self._pending: dict[str, RecordedTransaction] = {}
        self._by_key: dict[tuple[Any, ...], RecordedTransaction] = {}
        self._by_id: dict[int, RecordedTransaction] = {}
        texts: dict[str, str] = {}
        for frame in frames:
            kind, message_id, *rest = json.loads(frame["text"])
            if frame["frame"] == "in" and kind == CALL:
                if message_id in texts:
                    if texts[message_id] != frame["text"]:
                        self.altered.append(message_id)
                else:
                    texts[message_id] = frame["text"]
                    self.actions.append(rest[0])
                self._take_call(message_id, rest[0], rest[1])
            elif frame["frame"] == "out" and kind == RESULT and message_id in self._pending:
                number = rest[0]["transactionId"]
                record = self._pending.pop(message_id)
                record.ids.append(number)
                self._by_id[number] = record

    def _take_call(self, message_id: str, action: str, payload: dict[str, Any]) -> None:
        if action == "StartTransaction":
            key = tuple(payload[name] for name in ("connectorId", "idTag", "timestamp", "meterStart"))
            if key not in self._by_key:
                self._by_key[key] = RecordedTransaction(payload)
                self.transactions.append(self._by_key[key])
            self._pending[message_id] = self._by_key[key]
        elif action == "StopTransaction":
            record = self._by_id.get(payload["transactionId"])
            if record is None:
                self.stray_stops.append(payload)
            elif payload not in record.stops:
                record.stops.append(payload)
