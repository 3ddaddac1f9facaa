"""One station: session, energy, authorisation and back end joined. Events in, effects out; no clock, no socket.

The shell feeds handle() and performs what comes back; the stores and the charge point core are handed in ready to use.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from pilotwire.firmware.auth.tokens import FREE_TAG, LocalAuthorisation
from pilotwire.firmware.config import Settings
from pilotwire.firmware.energy.allocation import Allocation, Limit, allocate
from pilotwire.firmware.kernel import bands, faults
from pilotwire.firmware.metering.orphans import Orphans
from pilotwire.firmware.session import events, table
from pilotwire.firmware.session.session import Session
from pilotwire.firmware.store.events import EventJournal
from pilotwire.firmware.store.transactions import Transaction, Transactions
from pilotwire.hal.ports import MeterReading
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import (
    PilotForeign,
    PilotHello,
    PilotLost,
    PilotRefused,
    PilotStale,
    PilotState,
    PilotTaken,
)
from pilotwire.protocols.ocpp import events as ocpp
from pilotwire.protocols.ocpp.readings import Sample

if TYPE_CHECKING:
    from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16

CONNECTOR = 1
PILOT_LETTERS = {
    bands.INVALID: "?",
    bands.A: "A",
    bands.B: "B",
    bands.C: "C",
    bands.D: "D",
    bands.E: "E",
    bands.F: "F",
}
TRAFFIC_KEPT = 12
PROGRESS_MS = 60_000


class Station:
    """The pure middle of the program for one connector."""

    def __init__(
        self,
        settings: Settings,
        transactions: Transactions,
        journal: EventJournal,
        charge_point: ChargePoint16 | None,
    ) -> None:
        self.session = Session()
        self.transaction: Transaction | None = None
        self.charge_point = charge_point
        self.pilot: PilotState | None = None
        self.pilot_program = ""
        self.traffic: list[dict[str, Any]] = []
        self._settings = settings
        self._transactions = transactions
        self._journal = journal
        self._local = LocalAuthorisation(settings.authorisation.mode, settings.authorisation.id_tags)
        self._orphans = Orphans(self._found_open())
        if self._orphans.waiting:
            self.session.hold = "an earlier transaction is still being closed"
        self._allocation: Allocation | None = None
        self._metered_ms: int | None = None
        self._kept_ms: int | None = None
        self._backend_up = False
        self._asked: str | None = None
        self._now_ms = 0
        self._unix_ms = 0
        self._effects: list[events.Grant] = []
        self._pending: deque[events.SessionEvent] = deque()

    def handle(self, event: object, now_ms: int, unix_ms: int) -> list[events.Grant]:
        """Take one event to completion; returns what the shell must do with the lease."""
        self._now_ms, self._unix_ms = now_ms, unix_ms
        self._effects = []
        self._take(event)
        self._run_session()
        self._close_orphans()
        self._run_session()
        self._reallocate()
        self._run_session()
        return self._effects

    def deadline(self) -> int | None:
        """When the shell must send Ticked at the latest, besides its regular ones."""
        until = self._allocation.valid_until_ms if self._allocation is not None else None
        times = [time for time in (self.session.deadline(), until) if time is not None]
        return min(times) if times else None

    # --- what comes in

    def _take(self, event: object) -> None:
        if isinstance(event, PilotState):
            self._take_state(event)
        elif isinstance(event, PilotLost):
            self.pilot = None
            self._orphans.pilot_lost()
            self._log("PilotLost", {"silent_ms": event.silent_ms})
            self._session(events.PilotLost(event.silent_ms))
        elif isinstance(event, PilotHello):
            self.pilot_program = event.program
            self._log(
                "PilotHello",
                {
                    "boot": event.boot,
                    "program": event.program,
                    "unique_id": event.unique_id.hex(),
                    "firmware_hash": event.firmware_hash.hex(),
                    "capabilities": event.capabilities,
                    "reset_reason": messages.RESET_NAMES.get(event.reset_reason, str(event.reset_reason)),
                    "parameter_crc": event.parameter_crc.hex(),
                },
            )
        elif isinstance(event, PilotStale):
            self._log("PilotStale", {"silent_ms": event.silent_ms})
        elif isinstance(event, PilotForeign):
            found, wanted = event.unique_id.hex() or "none", event.wanted_id.hex()
            self.pilot_program = f"refused: unique id {found}, {wanted} belongs here ({event.program})"
            self._log("PilotForeign", {"unique_id": event.unique_id.hex(), "wanted_id": event.wanted_id.hex()})
        elif isinstance(event, PilotTaken):
            self.pilot_program = "refused: it listens to another station on the same line"
            self._log("PilotTaken", {"session": event.session})
        elif isinstance(event, PilotRefused):
            self.pilot_program = f"refused: link version {event.version} ({event.program})"
            self._log("PilotRefused", {"version": event.version, "program": event.program})
        elif isinstance(event, events.MeterRead):
            self._take_reading(event.reading)
        elif isinstance(event, events.MeterLost):
            self._log("MeterLost", {"error": event.error})
            self._session(event)
        elif isinstance(event, events.TokenPresented):
            self._log("TokenPresented", {})
            self._present(event.id_tag)
        elif isinstance(event, events.StopRequested):
            self._log("StopRequested", {"reason": event.reason})
            self._session(event)
        elif isinstance(event, events.Ticked):
            self._session(event)
        else:
            self._take_backend(event)

    def _take_state(self, state: PilotState) -> None:
        before = self.pilot
        self.pilot = state
        self._orphans.contacts(state.contacts_closed, self._now_ms)
        changed = before is None or any(
            getattr(before, name) != getattr(state, name)
            for name in ("pilot", "contacts_closed", "faults", "duty", "phase")
        )
        if not changed:
            return
        letter = PILOT_LETTERS.get(state.pilot, "?")
        names = tuple(faults.names(state.faults))
        self._log(
            "PilotChanged",
            {
                "pilot": letter,
                "cp_high_mv": state.cp_high_mv,
                "cp_low_mv": state.cp_low_mv,
                "duty_permyriad": state.duty,
                "contacts_closed": state.contacts_closed,
                "faults": list(names),
            },
        )
        self._session(events.PilotChanged(letter, state.contacts_closed, names))

    def _take_reading(self, reading: MeterReading) -> None:
        self._log(
            "MeterRead",
            {
                "at_ms": reading.at_ms,
                "power_w": round(reading.power_w, 2),
                "current_a": [round(a, 3) for a in reading.current_a],
                "voltage_v": [round(v, 2) for v in reading.voltage_v],
                "energy_import_wh": round(reading.energy_import_wh, 3),
            },
        )
        if self.transaction is not None:
            self._keep_progress(self.transaction.ref, reading)
        self._session(events.MeterRead(reading))
        self._send_meter_values(reading)

    def _keep_progress(self, ref: int, reading: MeterReading) -> None:
        # Every reading is in the journal; the record that waits for the disk gets one now and then (SD cards wear).
        if self._kept_ms is None or self._now_ms - self._kept_ms >= PROGRESS_MS:
            self._kept_ms = self._now_ms
            self._transactions.progress(ref, reading.energy_import_wh, self._unix_ms)

    def _present(self, id_tag: str) -> None:
        if self.transaction is not None:
            if id_tag.casefold() == self.transaction.id_tag.casefold():
                self._session(events.StopRequested("Local"))
            else:
                self._log("TokenRefused", {"why": "a transaction of another token is running"})
        elif self._local.accepts(id_tag):
            self._session(events.TokenAccepted(id_tag))
        elif self.charge_point is not None and self._backend_up:
            self._asked = id_tag
            self.charge_point.authorize(id_tag)
        else:
            self._log("TokenRefused", {"why": "not on the local list, and no central system to ask"})

    def _take_backend(self, event: object) -> None:
        if self.charge_point is None:
            raise TypeError(f"nobody handles {event!r}")
        if isinstance(event, ocpp.Traffic):
            row = {"unix_ms": self._unix_ms, "dir": event.dir, "action": event.action, "kind": event.kind}
            self.traffic = [*self.traffic[1 - TRAFFIC_KEPT :], row]
            self._log("Traffic", row)
        elif isinstance(event, ocpp.BackendUp):
            self._backend_up = True
            self._log("BackendUp", {})
        elif isinstance(event, ocpp.BackendDown):
            self._backend_up = False
            self._asked = None
            self._log("BackendDown", {})
        elif isinstance(event, ocpp.Authorized):
            self._log("Authorized", {"status": event.status})
            if event.status == "Accepted" and event.id_tag == self._asked:
                self._session(events.TokenAccepted(event.id_tag))
            if event.id_tag == self._asked:
                self._asked = None  # an answer about an earlier token must not use up the question about a later one
        elif isinstance(event, ocpp.RemoteStartRequested):
            # In STARTING somebody else has been accepted already, and "Accepted" would be a lie.
            free = self.transaction is None and self.session.state != table.STARTING and not self._orphans.waiting
            can_start = free and event.connector_id in (None, CONNECTOR)
            self._log("RemoteStartRequested", {"accepted": can_start})
            self.charge_point.answer(event.message_id, can_start)
            if can_start:
                self._session(events.TokenAccepted(event.id_tag))
        elif isinstance(event, ocpp.RemoteStopRequested):
            known = self.transaction is not None and event.tx_ref == self.transaction.ref
            self._log("RemoteStopRequested", {"accepted": known})
            self.charge_point.answer(event.message_id, known)
            if known:
                self._session(events.StopRequested("Remote"))
        elif isinstance(event, ocpp.TransactionAnswered):
            self._log(
                "TransactionAnswered", {"ref": event.tx_ref, "ocpp_id": event.transaction_id, "status": event.status}
            )
            mine = self.transaction is not None and event.tx_ref == self.transaction.ref
            if mine and event.status != "Accepted":
                self._session(events.StopRequested("DeAuthorized"))
        elif isinstance(event, ocpp.ChargingProfilesChanged):
            self._log("ChargingProfilesChanged", {})
        elif isinstance(event, ocpp.MeterValuesRequested):
            if self.session.reading is not None:
                self._report_reading(self.session.reading, "Trigger")
        elif isinstance(event, ocpp.MessageAbandoned):
            self._log("MessageAbandoned", {"ref": event.tx_ref, "action": event.action, "why": event.why})
        elif isinstance(event, ocpp.PeerMisbehaved):
            self._log("PeerMisbehaved", {"why": event.why})
        else:
            raise TypeError(f"nobody handles {event!r}")

    # --- what follows

    def _session(self, event: events.SessionEvent) -> None:
        """Queue an event for the session; it is run to completion before the next one."""
        self._pending.append(event)

    def _run_session(self) -> None:
        while self._pending:
            for effect in self.session.handle(self._pending.popleft(), self._now_ms):
                self._perform(effect)

    def _perform(self, effect: events.SessionEffect) -> None:
        if isinstance(effect, events.Grant):
            self._log("Grant", {"limit_ma": effect.limit_ma, "why": self.session.why})
            self._effects.append(effect)
        elif isinstance(effect, events.AskToken):
            if self._local.free:
                self._session(events.TokenAccepted(FREE_TAG))
        elif isinstance(effect, events.BeginTransaction):
            self._begin(effect)
        elif isinstance(effect, events.EndTransaction):
            self._end(effect)
        else:
            self._log("Status", {"status": effect.status, "error_code": effect.error_code, "info": effect.info})
            if self.charge_point is not None:
                self.charge_point.status(CONNECTOR, effect.status, effect.error_code, self._unix_ms, effect.info)

    def _begin(self, effect: events.BeginTransaction) -> None:
        meter_wh = effect.reading.energy_import_wh
        with self._transactions.atomically():
            transaction = self._transactions.begin(CONNECTOR, effect.id_tag, meter_wh, self._unix_ms)
            if self.charge_point is not None:
                self.charge_point.start_transaction(
                    transaction.ref, CONNECTOR, effect.id_tag, round(meter_wh), self._unix_ms
                )
        self.transaction = transaction
        self._metered_ms = self._now_ms
        self._log("TransactionBegun", {"ref": transaction.ref, "meter_wh": meter_wh})

    def _end(self, effect: events.EndTransaction) -> None:
        assert self.transaction is not None
        last = self._transactions.get(self.transaction.ref)
        meter_wh = last.meter_last_wh
        newest = effect.reading if effect.reading is not None else self.session.reading
        if newest is not None:
            # A register that went back (another meter, a reset) cannot end a transaction: keep what was written down.
            meter_wh = max(meter_wh, newest.energy_import_wh)
        self._close(last, meter_wh, effect.reason, last.id_tag if effect.reason == "Local" else None)
        self.transaction = None

    def _close(self, transaction: Transaction, meter_wh: float, reason: str, id_tag: str | None) -> None:
        with self._transactions.atomically():
            ended = self._transactions.end(transaction.ref, meter_wh, self._unix_ms, reason)
            if self.charge_point is not None:
                self.charge_point.stop_transaction(ended.ref, round(meter_wh), reason, id_tag, self._unix_ms)
        self._log("TransactionEnded", {"ref": ended.ref, "energy_wh": ended.energy_wh, "reason": reason})

    def _found_open(self) -> list[Transaction]:
        """Transactions a dead station left open, with the last reading it wrote into its journal."""
        newest = self._journal.last("MeterRead")
        for item in self._transactions.open():
            if newest is not None and newest["unix_ms"] > item.last_unix_ms:
                self._transactions.progress(item.ref, newest["data"]["energy_import_wh"], newest["unix_ms"])
        return self._transactions.open()

    def _close_orphans(self) -> None:
        if not self._orphans.waiting:
            return
        for transaction, meter_wh in self._orphans.take(self.session.reading, self._now_ms):
            self._close(transaction, meter_wh, "Reboot", None)
        if not self._orphans.waiting:
            self.session.hold = ""
            self._session(events.Ticked())

    def _send_meter_values(self, reading: MeterReading) -> None:
        ocpp_settings = self._settings.ocpp
        if self.charge_point is None or ocpp_settings is None or self.transaction is None or self._metered_ms is None:
            return
        interval_ms = ocpp_settings.meter_values_s * 1000
        missed = (self._now_ms - self._metered_ms) // interval_ms
        if missed < 1:
            return
        self._metered_ms += missed * interval_ms  # the rhythm stays, whatever the poll's is
        self._report_reading(reading, "Sample.Periodic")

    def _report_reading(self, reading: MeterReading, context: str) -> None:
        assert self.charge_point is not None
        sample = Sample(
            energy_wh=reading.energy_import_wh,
            power_w=reading.power_w,
            current_a=reading.current_a,
            voltage_v=reading.voltage_v,
        )
        ref = self.transaction.ref if self.transaction is not None else None
        self.charge_point.meter_values(ref, CONNECTOR, sample, self._unix_ms, context)

    def _reallocate(self) -> None:
        limits = self._settings.limits
        found = [
            Limit("board", "limits.board_ma", limits.board_ma),
            Limit("cable", "limits.cable_ma", limits.cable_ma),
        ]
        if self.charge_point is not None:
            profile = self.charge_point.charging_limit(CONNECTOR, self._unix_ms)
            if profile is not None:
                until = profile.valid_until_unix_ms
                until_ms = None if until is None else self._now_ms + until - self._unix_ms
                name = f"{profile.purpose} {profile.profile_id}"
                # To the milliampere below, but 32.3 A is 32300 mA and not the 32299.99... that floating point makes of it.
                found.append(Limit("ocpp", name, int(round(profile.limit_a * 1000, 3)), until_ms))
        allocation = allocate(found)
        before = self._allocation
        if before is not None and (before.limit_ma, before.binding.id) == (allocation.limit_ma, allocation.binding.id):
            self._allocation = self.session.allocation = allocation
            return
        self._allocation = allocation
        self._log("AllocationChanged", {"limit_ma": allocation.limit_ma, "why": allocation.why})
        self._session(events.AllocationChanged(allocation))

    def _log(self, name: str, data: dict[str, Any]) -> None:
        self._journal.append(self._now_ms, self._unix_ms, name, data)
