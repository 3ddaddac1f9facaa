"""What the charge point tells the station. Frozen and slotted; times are unix milliseconds."""

from __future__ import annotations

from typing import Literal

import msgspec


class BackendUp(msgspec.Struct, frozen=True):
    """Connected to a central system that has accepted this charge point."""


class BackendDown(msgspec.Struct, frozen=True):
    """The connection is gone, or the registration was withdrawn."""


class Authorized(msgspec.Struct, frozen=True):
    """The answer to `authorize`, whatever it is."""

    id_tag: str
    status: str
    """Accepted, Blocked, Expired, Invalid, ConcurrentTx; or Offline when no answer could be had."""


class RemoteStartRequested(msgspec.Struct, frozen=True):
    """The central system wants a transaction; the station must `answer` with this message id."""

    message_id: str
    id_tag: str
    connector_id: int | None
    """None: any connector."""


class RemoteStopRequested(msgspec.Struct, frozen=True):
    """The central system wants a running transaction stopped; the station must `answer` with this message id."""

    message_id: str
    tx_ref: int


class MeterValuesRequested(msgspec.Struct, frozen=True):
    """TriggerMessage asks for a reading now; call `meter_values` with context "Trigger"."""

    connector_id: int


class TransactionAnswered(msgspec.Struct, frozen=True):
    """The central system has named a transaction; its status may ask for the transaction to be stopped."""

    tx_ref: int
    transaction_id: int
    status: str


class ChargingProfilesChanged(msgspec.Struct, frozen=True):
    """Ask `charging_limit` again."""


class MessageAbandoned(msgspec.Struct, frozen=True):
    """A stored transaction message is given up: the central system refused it every time it was sent."""

    tx_ref: int
    action: str
    why: str


class PeerMisbehaved(msgspec.Struct, frozen=True):
    """Something arrived that the protocol does not allow; it was refused or ignored. For the log."""

    why: str


class Traffic(msgspec.Struct, frozen=True):
    """One frame went by, for the panel."""

    dir: Literal["in", "out"]
    action: str
    """Empty where the frame does not say and nobody remembers."""
    kind: Literal["call", "result", "error"]


Event = (
    BackendUp
    | BackendDown
    | Authorized
    | RemoteStartRequested
    | RemoteStopRequested
    | MeterValuesRequested
    | TransactionAnswered
    | ChargingProfilesChanged
    | MessageAbandoned
    | PeerMisbehaved
    | Traffic
)
