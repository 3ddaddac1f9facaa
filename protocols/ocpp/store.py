"""What the charge point needs kept over a power cut: a Protocol, filled by `firmware/store/ocpp_outbox.py`.

Every method that changes something has it on the disk when it returns.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Kind = Literal["StartTransaction", "MeterValues", "StopTransaction"]


class OutboxRow(msgspec.Struct, frozen=True):
    """One stored transaction message."""

    seq: int
    """Grows by one with each message stored; the order of sending."""
    kind: Kind
    tx_ref: int
    payload: bytes
    """JSON of the payload, without transactionId for MeterValues and StopTransaction."""
    message_id: str
    """Empty until frozen."""
    frame: str
    """The exact text sent the first time, empty until then; every resend is this text."""
    failures: int
    """CALLERRORs received for it."""


class TransactionRow(msgspec.Struct, frozen=True):
    """One transaction, running or stopped a while ago."""

    tx_ref: int
    connector: int
    id_tag: str
    start_unix_ms: int
    transaction_id: int | None
    """The central system's number, None until it has answered."""
    stopped: bool


class ProfileRow(msgspec.Struct, frozen=True):
    """One installed charging profile."""

    connector: int
    tx_ref: int | None
    """The transaction of a TxProfile."""
    profile_json: bytes
    """The ChargingProfile as received."""


class OcppStore(Protocol):
    """Durable FIFO of transaction messages, the transactions they belong to, and charging profiles."""

    def begin(self, row: TransactionRow, payload: bytes) -> bool:
        """Store a transaction and its StartTransaction together; False when the tx_ref is known already."""
        ...

    def add_meter_values(self, tx_ref: int, payload: bytes) -> None:
        """Store a MeterValues of a transaction."""
        ...

    def end(self, tx_ref: int, payload: bytes) -> bool:
        """Store a StopTransaction and mark the transaction stopped; False when it is unknown or stopped already."""
        ...

    def head(self) -> OutboxRow | None:
        """The oldest message not yet answered."""
        ...

    def count(self) -> int:
        """Messages not yet answered."""
        ...

    def freeze(self, seq: int, message_id: str, frame: str) -> None:
        """Fix the text of a message before it is sent for the first time."""
        ...

    def count_failure(self, seq: int) -> int:
        """Note a CALLERROR for a message; returns how many it has had."""
        ...

    def remove(self, seq: int) -> None:
        """The message is answered, or given up."""
        ...

    def learn(self, seq: int, tx_ref: int, transaction_id: int) -> None:
        """StartTransaction is answered: keep the number and remove the message, together."""
        ...

    def transaction(self, tx_ref: int) -> TransactionRow | None:
        """One transaction; stopped ones are forgotten some time after their last message."""
        ...

    def running(self) -> list[TransactionRow]:
        """Transactions without a StopTransaction, oldest first."""
        ...

    def profiles(self) -> list[ProfileRow]:
        """Installed profiles in the order they were set."""
        ...

    def replace_profiles(self, rows: list[ProfileRow]) -> None:
        """Keep exactly these profiles."""
        ...
