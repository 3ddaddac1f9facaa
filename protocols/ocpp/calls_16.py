"""The calls a 1.6 charge point makes: which one is next, and what its answer means.

Rules of this file (OCPP 1.6, chapters 3 and 4):
- nothing but BootNotification is sent before the central system has accepted it, except what TriggerMessage asks for
  while Pending (4.2);
- BootNotification is sent once per start, not per connection; a new connection repeats the latest status of each
  connector;
- one call at a time, in this order: what was asked for just now (Authorize first), stored transaction messages,
  Heartbeat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from . import events
from ._generated import v16
from .errors import PayloadError
from .outbox import Abandoned, Outbox
from .rpc import CallTimedOut, ErrorReceived, ResultReceived, Rpc
from .settings_16 import ChargePointSettings, boot_notification
from .store import OutboxRow

MAX_WAITING = 64
"""Calls that wait for their turn beside the outbox; the oldest that is out of date goes when there are more."""

_LONGEST_INTERVAL_S = 7 * 86_400


class _Todo(msgspec.Struct, frozen=True):
    """A call that waits for its turn."""

    payload: Any
    instructed: bool = False
    """Asked for by TriggerMessage: allowed while Pending."""


class Calls:
    """Registration, and the queue of calls in front of one Rpc."""

    def __init__(
        self,
        *,
        settings: ChargePointSettings,
        rpc: Rpc,
        outbox: Outbox,
        new_id: Callable[[], str],
        emit: Callable[[events.Event], None],
        learn: Callable[[int, int], None],
    ) -> None:
        self._settings = settings
        self._rpc = rpc
        self._outbox = outbox
        self._new_id = new_id
        self._emit = emit
        self._learn = learn
        self._boot = boot_notification(settings)
        rpc.frame("check", self._boot)  # vendor or model too long: say so at start, not in the field
        self._todo: deque[_Todo] = deque()
        self._doing: _Todo | OutboxRow | None = None
        self._latest = {0: v16.StatusNotification(connectorId=0, errorCode="NoError", status="Available")}
        self._connected = False
        self.registration = ""
        """The last answer to BootNotification: Accepted, Pending, Rejected, or nothing yet."""
        self.up = False
        """Connected and accepted."""
        self.heartbeat_s = settings.heartbeat_s
        self._boot_due_ms = 0
        self._heartbeat_due_ms = 0

    # -- what is asked for --------------------------------------------------------------------------------------------

    def authorize(self, payload: v16.Authorize) -> None:
        """Ask about an id tag before anything else; Offline at once without a central system."""
        if self.up:
            self._todo.appendleft(_Todo(payload))
        else:
            self._emit(events.Authorized(payload.idTag, "Offline"))

    def report_status(self, payload: v16.StatusNotification) -> None:
        """Remember a status and send it, unless it says what the last one said."""
        before = self._latest.get(payload.connectorId)
        if before and (before.status, before.errorCode, before.info) == (
            payload.status,
            payload.errorCode,
            payload.info,
        ):
            return
        self._latest[payload.connectorId] = payload
        if self.up:
            self.put(payload)

    def put(self, payload: msgspec.Struct, instructed: bool = False) -> None:
        """Queue a call that is not stored."""
        if len(self._todo) >= MAX_WAITING:
            needed = (v16.Authorize, v16.BootNotification)
            latest = self._latest.values()
            oldest = next(
                (i for i in self._todo if not isinstance(i.payload, needed) and i.payload not in latest), None
            )
            if oldest is None:
                return
            self._todo.remove(oldest)
        self._todo.append(_Todo(payload, instructed))

    def put_boot(self) -> None:
        """Queue a BootNotification (TriggerMessage)."""
        self.put(self._boot, instructed=True)

    def put_status(self, connector: int) -> None:
        """Queue the latest status of a connector (TriggerMessage)."""
        if (payload := self._latest.get(connector)) is not None:
            self.put(payload, instructed=True)

    # -- what happens ---------------------------------------------------------------------------------------------------

    def connected(self, now_ms: int) -> None:
        """The connection is open."""
        self._connected = True
        self._outbox.connected()
        if self.registration == "Accepted":
            self._come_up(now_ms)

    def disconnected(self) -> None:
        """The connection is gone; the Rpc has been reset."""
        self._connected = False
        waiting = [item for item in (self._doing, *self._todo) if isinstance(item, _Todo)]
        self._doing = None
        self._todo.clear()
        for item in waiting:
            if isinstance(item.payload, v16.Authorize):
                self._emit(events.Authorized(item.payload.idTag, "Offline"))
        self._go_down()

    def tick(self, now_ms: int) -> None:
        """Give up waiting where it is time, then send the one call whose turn it is."""
        if (timed_out := self._rpc.tick(now_ms)) is not None:
            self._on_silence(timed_out, now_ms)
        if not self._connected or self._rpc.outstanding:
            return
        if self.registration != "Accepted":
            self._tick_unregistered(now_ms)
        elif self._todo:
            self._send(self._todo.popleft(), now_ms)
        elif not self._send_stored(now_ms) and now_ms >= self._heartbeat_due_ms:
            self._heartbeat_due_ms = now_ms + self.heartbeat_s * 1000
            self._send(_Todo(v16.Heartbeat()), now_ms)

    def deadline(self) -> int | None:
        """Monotonic ms of the next `tick`; in the past when something can be done now; None while not connected."""
        if not self._connected:
            return None
        if (rpc_ms := self._rpc.deadline()) is not None:
            return rpc_ms
        if self.registration != "Accepted":
            return 0 if any(item.instructed for item in self._todo) else self._boot_due_ms
        if self._todo:
            return 0
        if self._outbox.count:
            return min(self._outbox.not_before() or 0, self._heartbeat_due_ms)
        return self._heartbeat_due_ms

    def on_result(self, result: ResultReceived, now_ms: int) -> None:
        """A CALLRESULT arrived."""
        if result.late:
            if (row := self._outbox.is_head(result.message_id)) is None:
                self._emit(events.PeerMisbehaved("answer to a call that is not outstanding"))
            else:
                self._on_stored_result(row, result.payload, now_ms)
            return
        doing, self._doing = self._doing, None
        if isinstance(doing, OutboxRow):
            self._on_stored_result(doing, result.payload, now_ms)
            return
        assert doing is not None
        try:
            answer = v16.MESSAGES.decode(f"{result.action}Response", result.payload, strict=False)
        except PayloadError as error:
            self._emit(events.PeerMisbehaved(f"answer to {result.action}: {error}"))
            self._without_answer(doing, now_ms)
            return
        if isinstance(doing.payload, v16.BootNotification):
            self._on_boot(answer, now_ms)
        elif isinstance(doing.payload, v16.Authorize):
            self._emit(events.Authorized(doing.payload.idTag, answer.idTagInfo.status))

    def on_error(self, error: ErrorReceived, now_ms: int) -> None:
        """A CALLERROR arrived."""
        self._emit(events.PeerMisbehaved(f"{error.action} was refused: {error.code} {error.description}".rstrip()))
        doing, self._doing = self._doing, None
        if isinstance(doing, OutboxRow):
            self._fail_stored(doing, f"{error.code} {error.description}".rstrip(), now_ms)
            return
        assert doing is not None
        self._without_answer(doing, now_ms)

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _tick_unregistered(self, now_ms: int) -> None:
        instructed = next((item for item in self._todo if item.instructed), None)
        if instructed is not None:
            self._todo.remove(instructed)
            self._send(instructed, now_ms)
        elif now_ms >= self._boot_due_ms:
            self._send(_Todo(self._boot), now_ms)

    def _send_stored(self, now_ms: int) -> bool:
        while (row := self._outbox.next_to_send(now_ms)) is not None:
            if isinstance(row, Abandoned):
                self._emit(events.MessageAbandoned(row.row.tx_ref, row.row.kind, row.why))
                continue
            self._doing = row
            self._outbox.sent()
            self._call(row.message_id, row.kind, row.frame, now_ms)
            return True
        return False

    def _send(self, item: _Todo, now_ms: int) -> None:
        message_id = self._new_id()
        self._doing = item
        self._call(message_id, type(item.payload).__name__, self._rpc.frame(message_id, item.payload), now_ms)

    def _call(self, message_id: str, action: str, frame: str, now_ms: int) -> None:
        self._rpc.call(message_id, action, frame, now_ms)
        self._emit(events.Traffic("out", action, "call"))

    def _on_boot(self, answer: v16.BootNotificationResponse, now_ms: int) -> None:
        interval_s = min(answer.interval, _LONGEST_INTERVAL_S)
        self.registration = answer.status
        if answer.status == "Accepted":
            self.heartbeat_s = interval_s if interval_s > 0 else self._settings.heartbeat_s
            self._come_up(now_ms)
            return
        self._boot_due_ms = now_ms + (interval_s if interval_s > 0 else self._settings.boot_retry_s) * 1000
        self._go_down()

    def _come_up(self, now_ms: int) -> None:
        self._heartbeat_due_ms = now_ms + self.heartbeat_s * 1000
        if self.up:
            return
        self.up = True
        self._emit(events.BackendUp())
        for connector in sorted(self._latest):
            self.put(self._latest[connector])

    def _go_down(self) -> None:
        if self.up:
            self.up = False
            self._emit(events.BackendDown())

    def _on_stored_result(self, row: OutboxRow, payload: msgspec.Raw, now_ms: int) -> None:
        if row.kind != "StartTransaction":
            self._outbox.answered(row, None)
            return
        transaction_id, status = self._read_start_answer(payload)
        if transaction_id is None:
            self._fail_stored(row, "its answer has no usable transactionId", now_ms)
            return
        self._outbox.answered(row, transaction_id)
        self._learn(row.tx_ref, transaction_id)
        self._emit(events.TransactionAnswered(row.tx_ref, transaction_id, status))

    def _read_start_answer(self, payload: msgspec.Raw) -> tuple[int | None, str]:
        """Number and status; an answer wrong in other parts still has its number used, with status Invalid."""
        transaction_id: Any
        try:
            answer = v16.MESSAGES.decode("StartTransactionResponse", payload, strict=False)
            transaction_id, status = answer.transactionId, answer.idTagInfo.status
        except PayloadError as error:
            self._emit(events.PeerMisbehaved(f"answer to StartTransaction: {error}"))
            try:
                transaction_id, status = msgspec.json.decode(payload).get("transactionId"), "Invalid"
            except (ValueError, RecursionError, AttributeError):
                return None, ""
        usable = type(transaction_id) is int and -(2**63) <= transaction_id < 2**63
        return (transaction_id if usable else None), status

    def _on_silence(self, timed_out: CallTimedOut, now_ms: int) -> None:
        self._emit(events.PeerMisbehaved(f"no answer to {timed_out.action} in {self._settings.call_timeout_ms} ms"))
        doing, self._doing = self._doing, None
        if isinstance(doing, OutboxRow):
            self._outbox.silent(now_ms)
            return
        assert doing is not None
        self._without_answer(doing, now_ms)
        latest = self._latest.values()
        if self.up and isinstance(doing.payload, v16.StatusNotification) and any(doing.payload is s for s in latest):
            self.put(doing.payload)

    def _without_answer(self, doing: _Todo, now_ms: int) -> None:
        if isinstance(doing.payload, v16.BootNotification):
            self._boot_due_ms = now_ms + self._settings.boot_retry_s * 1000
        elif isinstance(doing.payload, v16.Authorize):
            self._emit(events.Authorized(doing.payload.idTag, "Offline"))

    def _fail_stored(self, row: OutboxRow, why: str, now_ms: int) -> None:
        if (abandoned := self._outbox.refused(row, why, now_ms)) is not None:
            self._emit(events.MessageAbandoned(abandoned.row.tx_ref, abandoned.row.kind, abandoned.why))
