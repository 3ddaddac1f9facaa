"""What the central system asks of a 1.6 charge point: the table of actions, and what each one does.

Known actions that are not in the table are answered NotSupported, words OCPP 1.6 does not have NotImplemented; both by
`Rpc`. While Rejected nothing is answered; while not yet accepted remote start and stop are refused (4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from . import events
from ._generated import v16
from .calls_16 import Calls
from .charging_profile import TX
from .errors import CallErrorCode
from .rpc import CallReceived, Rpc
from .settings_16 import MAX_KEYS_ASKED, ChargePointSettings, configuration
from .smart_charging_16 import ChargingProfiles, RefusedProfileError, profile_from_wire
from .store import TransactionRow
from .transactions_16 import Transactions

SUPPORTED = frozenset(
    {
        "ClearChargingProfile",
        "GetConfiguration",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "SetChargingProfile",
        "TriggerMessage",
    }
)

MAX_PROMISED = 8
"""Profiles of remote starts kept for a transaction that has not begun yet."""


class _Decision(msgspec.Struct, frozen=True):
    """A request the station has to decide."""

    action: str
    id_tag: str = ""
    profile: v16.ChargingProfile | None = None


class Requests:
    """Answers to the central system's calls."""

    def __init__(
        self,
        *,
        settings: ChargePointSettings,
        rpc: Rpc,
        calls: Calls,
        transactions: Transactions,
        profiles: ChargingProfiles,
        emit: Callable[[events.Event], None],
        profiles_changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._rpc = rpc
        self._calls = calls
        self._transactions = transactions
        self._profiles = profiles
        self._emit = emit
        self._profiles_changed = profiles_changed
        self._undecided: dict[str, _Decision] = {}
        self._promised: dict[str, v16.ChargingProfile] = {}
        self._handlers: dict[str, Callable[[str, Any], msgspec.Struct | None]] = {
            "ClearChargingProfile": self._clear_profile,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start,
            "RemoteStopTransaction": self._remote_stop,
            "SetChargingProfile": self._set_profile,
            "TriggerMessage": self._trigger,
        }

    def handle(self, call: CallReceived) -> None:
        """Answer a call, or hand it to the station."""
        if self._calls.registration == "Rejected":
            self._rpc.ignore(call.message_id)
            return
        answer = self._handlers[call.action](call.message_id, call.payload)
        if answer is not None:
            self._rpc.result(call.message_id, answer)
            self._emit(events.Traffic("out", call.action, "result"))
        if isinstance(call.payload, v16.TriggerMessage) and getattr(answer, "status", "") == "Accepted":
            self._pull(call.payload)

    def answer(self, message_id: str, accepted: bool) -> bool:
        """The station has decided; False when the request is unknown, answered, or of a connection that is gone."""
        decision = self._undecided.pop(message_id, None)
        if decision is None:
            return False
        status = "Accepted" if accepted else "Rejected"
        response: msgspec.Struct
        if decision.action == "RemoteStartTransaction":
            response = v16.RemoteStartTransactionResponse(status=status)
        else:
            response = v16.RemoteStopTransactionResponse(status=status)
        self._rpc.result(message_id, response)
        self._emit(events.Traffic("out", decision.action, "result"))
        if accepted and decision.action == "RemoteStartTransaction":
            self._promise(decision)
        return True

    def forget(self) -> None:
        """The connection is gone, and with it those who wait for answers."""
        self._undecided.clear()

    def adopt_profile(self, row: TransactionRow) -> None:
        """Install the TxProfile that came with the remote start of this transaction, if one did."""
        profile = self._promised.pop(row.id_tag, None)
        if profile is None:
            return
        try:
            self._profiles.install(row.connector, profile, row)
        except RefusedProfileError as error:
            self._emit(events.PeerMisbehaved(f"profile of the remote start: {error}"))
            return
        self._profiles_changed()

    def _promise(self, decision: _Decision) -> None:
        self._promised.pop(decision.id_tag, None)  # a later start without a profile takes the earlier one's back
        if decision.profile is not None:
            while len(self._promised) >= MAX_PROMISED:
                self._promised.pop(next(iter(self._promised)))
            self._promised[decision.id_tag] = decision.profile

    # -- one function per action; None: the station will answer -----------------------------------------------------------

    def _remote_start(self, message_id: str, request: v16.RemoteStartTransaction) -> msgspec.Struct | None:
        connector = request.connectorId
        if connector is not None and not 1 <= connector <= self._settings.connectors:
            return v16.RemoteStartTransactionResponse(status="Rejected")
        if not self._calls.up or not self._usable(request.chargingProfile):
            return v16.RemoteStartTransactionResponse(status="Rejected")
        self._undecided[message_id] = _Decision("RemoteStartTransaction", request.idTag, request.chargingProfile)
        self._emit(events.RemoteStartRequested(message_id, request.idTag, connector))
        return None

    def _usable(self, profile: v16.ChargingProfile | None) -> bool:
        """A remote start may bring a TxProfile, and it cannot know the transaction's number yet (5.11)."""
        if profile is None:
            return True
        try:
            profile_from_wire(profile)
        except RefusedProfileError as error:
            self._emit(events.PeerMisbehaved(f"profile of a remote start: {error}"))
            return False
        return profile.chargingProfilePurpose == TX and profile.transactionId is None

    def _remote_stop(self, message_id: str, request: v16.RemoteStopTransaction) -> msgspec.Struct | None:
        running = self._transactions.known_as(request.transactionId)
        if running is None or not self._calls.up:
            return v16.RemoteStopTransactionResponse(status="Rejected")
        self._undecided[message_id] = _Decision("RemoteStopTransaction")
        self._emit(events.RemoteStopRequested(message_id, running.tx_ref))
        return None

    def _set_profile(self, _message_id: str, request: v16.SetChargingProfile) -> msgspec.Struct:
        running = self._transactions.on(request.connectorId)
        try:
            self._profiles.install(request.connectorId, request.csChargingProfiles, running)
        except RefusedProfileError as error:
            self._emit(events.PeerMisbehaved(f"SetChargingProfile: {error}"))
            return v16.SetChargingProfileResponse(status="Rejected")
        self._profiles_changed()
        return v16.SetChargingProfileResponse(status="Accepted")

    def _clear_profile(self, _message_id: str, request: v16.ClearChargingProfile) -> msgspec.Struct:
        if not self._profiles.clear(request):
            return v16.ClearChargingProfileResponse(status="Unknown")
        self._profiles_changed()
        return v16.ClearChargingProfileResponse(status="Accepted")

    def _get_configuration(self, message_id: str, request: v16.GetConfiguration) -> msgspec.Struct | None:
        if request.key is not None and len(request.key) > MAX_KEYS_ASKED:
            why = f"{len(request.key)} keys; GetConfigurationMaxKeys is {MAX_KEYS_ASKED}"
            self._rpc.error(message_id, CallErrorCode.OCCURRENCE, why)
            self._emit(events.Traffic("out", "GetConfiguration", "error"))
            return None
        return configuration(self._settings, self._calls.heartbeat_s, request.key)

    def _trigger(self, _message_id: str, request: v16.TriggerMessage) -> msgspec.Struct:
        lowest = {"MeterValues": 1, "StatusNotification": 0}.get(request.requestedMessage)
        connector = request.connectorId
        if request.requestedMessage in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
            return v16.TriggerMessageResponse(status="NotImplemented")
        if lowest is not None and connector is not None and not lowest <= connector <= self._settings.connectors:
            return v16.TriggerMessageResponse(status="Rejected")
        return v16.TriggerMessageResponse(status="Accepted")

    def _pull(self, request: v16.TriggerMessage) -> None:
        """Send what was triggered, after the answer has been queued."""
        one = request.connectorId
        match request.requestedMessage:
            case "BootNotification":
                self._calls.put_boot()
            case "Heartbeat":
                self._calls.put(v16.Heartbeat(), instructed=True)
            case "StatusNotification":
                for connector in range(self._settings.connectors + 1) if one is None else (one,):
                    self._calls.put_status(connector)
            case _:  # MeterValues, the only one left that is accepted
                for connector in range(1, self._settings.connectors + 1) if one is None else (one,):
                    self._emit(events.MeterValuesRequested(connector))
