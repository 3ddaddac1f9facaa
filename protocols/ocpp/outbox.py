"""When and what to send of the stored transaction messages: order, patience, and when to give up.

Rules of this file:
- strictly first in, first out: the head is sent and answered before the next is looked at;
- the text of a message is frozen in the store before it is sent for the first time, with the transaction id learnt
  from StartTransaction.conf; each resend is that text;
- silence or a lost connection never costs a message, it is sent again; after silence the pauses grow;
- a CALLERROR is an answer: after `attempts` of them the message is given up, or it would block the queue for ever
  (OCPP 1.6, TransactionMessageAttempts; the pause is TransactionMessageRetryInterval times the sendings so far);
- what follows a StartTransaction that was given up has no transaction to belong to and is given up as well:
  a transaction id of -1 is never sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .errors import LocalProtocolError, PayloadError
from .messages import Messages
from .store import OcppStore, OutboxRow

LONGEST_PAUSE_MS = 300_000


class Abandoned(msgspec.Struct, frozen=True):
    """A message was taken out of the queue without having been accepted."""

    row: OutboxRow
    why: str


class Outbox:
    """The head of the queue and the pauses between its sendings."""

    def __init__(
        self,
        *,
        store: OcppStore,
        messages: Messages,
        make_frame: Callable[[str, msgspec.Struct], str],
        new_id: Callable[[], str],
        attempts: int,
        retry_ms: int,
    ) -> None:
        self._store = store
        self._messages = messages
        self._make_frame = make_frame
        self._new_id = new_id
        self._attempts = attempts
        self._retry_ms = retry_ms
        self._head: OutboxRow | None = None
        self._sendings = 0
        self._not_before_ms: int | None = None
        self._count = store.count()

    @property
    def count(self) -> int:
        """Messages stored and not yet answered."""
        return self._count

    def added(self) -> None:
        """The store has one message more."""
        self._count += 1

    def connected(self) -> None:
        """A new connection: waiting any longer would help nobody."""
        self._not_before_ms = None
        self._sendings = 0

    def not_before(self) -> int | None:
        """Monotonic ms before which the head must not be sent again; None: at once."""
        return self._not_before_ms

    def next_to_send(self, now_ms: int) -> OutboxRow | Abandoned | None:
        """The frozen head if its turn has come; or what had to be given up instead, then ask again."""
        if self._count == 0 or (self._not_before_ms is not None and now_ms < self._not_before_ms):
            return None
        row = self._head or self._store.head()
        if row is None:
            self._count = 0
            return None
        self._head = row
        if row.frame:
            return row
        try:
            frame = self._freeze(row)
        except (LocalProtocolError, PayloadError) as error:
            return self.give_up(row, str(error))
        self._head = frame
        return frame

    def sent(self) -> None:
        """The head has been handed to the connection."""
        self._sendings += 1

    def is_head(self, message_id: str) -> OutboxRow | None:
        """The head, if that message was sent under this id: a late answer is as good as a prompt one."""
        if self._head is not None and self._head.message_id == message_id:
            return self._head
        return None

    def answered(self, row: OutboxRow, transaction_id: int | None) -> None:
        """The head is accepted; `transaction_id` for a StartTransaction."""
        if transaction_id is None:
            self._store.remove(row.seq)
        else:
            self._store.learn(row.seq, row.tx_ref, transaction_id)
        self._next()

    def silent(self, now_ms: int) -> None:
        """No answer to the head in time."""
        self._pause(now_ms)

    def refused(self, row: OutboxRow, why: str, now_ms: int) -> Abandoned | None:
        """A CALLERROR (or an answer that cannot be used) for the head."""
        failures = self._store.count_failure(row.seq)
        if failures >= self._attempts:
            return self.give_up(row, f"refused {failures} times, last: {why}")
        self._pause(now_ms)
        return None

    def give_up(self, row: OutboxRow, why: str) -> Abandoned:
        """Take the head out of the queue."""
        self._store.remove(row.seq)
        self._next()
        return Abandoned(row, why)

    def _next(self) -> None:
        self._head = None
        self._count -= 1
        self._sendings = 0
        self._not_before_ms = None

    def _pause(self, now_ms: int) -> None:
        self._not_before_ms = now_ms + min(self._retry_ms * max(self._sendings, 1), LONGEST_PAUSE_MS)

    def _freeze(self, row: OutboxRow) -> OutboxRow:
        payload: Any = self._messages.decode(row.kind, _with_transaction_id(row, self._store))
        message_id = self._new_id()
        frame = self._make_frame(message_id, payload)
        self._store.freeze(row.seq, message_id, frame)
        return msgspec.structs.replace(row, message_id=message_id, frame=frame)


def _with_transaction_id(row: OutboxRow, store: OcppStore) -> bytes:
    if row.kind == "StartTransaction":
        return row.payload
    transaction = store.transaction(row.tx_ref)
    if transaction is None or transaction.transaction_id is None:
        raise LocalProtocolError("its StartTransaction was never accepted, so there is no transaction id")
    fields = msgspec.json.decode(row.payload)
    return msgspec.json.encode({**fields, "transactionId": transaction.transaction_id})
