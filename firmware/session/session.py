"""The session machine: runs table.py over the events and says what follows.

The station never closes the contactor. All it can do is grant a lease, and that only in ACTIVE, with the pilot online, without a
fault and with an allocation of at least 6 A.
"""

from __future__ import annotations

from pilotwire.firmware.energy.allocation import Allocation
from pilotwire.firmware.session import events, table
from pilotwire.hal.ports import MeterReading

CAR_STATES = ("B", "C", "D")
WITH_CAR = (table.PREPARING, table.STARTING, table.ACTIVE, table.FINISHING)
FRESH_MS = 5000
"""A reading older than this does not start a transaction."""
SETTLE_MS = 200
"""A reading counts as taken after the contacts opened when it was complete this much later."""

# OCPP 1.6 ChargePointErrorCode for each fault of the kernel.
ERROR_CODES = {
    "PilotShort": "EVCommunicationError",
    "PilotInvalid": "EVCommunicationError",
    "DiodeMissing": "EVCommunicationError",
    "ContactorNotClosed": "PowerSwitchFailure",
    "ContactorWelded": "PowerSwitchFailure",
    "MirrorContact": "PowerSwitchFailure",
    "PilotOverrun": "InternalError",
    "ParametersDamaged": "InternalError",
    "CableUnreadable": "OtherError",
    "LockFailure": "ConnectorLockFailure",
    "ResidualCurrentDc": "GroundFailure",
    "ResidualCurrentAc": "GroundFailure",
    "ResidualSelfTest": "GroundFailure",
    "EarthLost": "GroundFailure",
    "PenLost": "GroundFailure",
    "EmergencyStop": "OtherError",
    "PlugTooHot": "HighTemperature",
    "BoardTooHot": "HighTemperature",
    "TemperatureSensor": "InternalError",
    "OverCurrent": "OverCurrentFailure",
    "StationStop": "OtherError",
}


class Session:
    """One connector. handle() runs one event to completion and returns the effects in order."""

    def __init__(self) -> None:
        self.state = table.IDLE
        self.id_tag: str | None = None
        self.pilot = "?"
        self.contacts_closed = False
        self.faults: tuple[str, ...] = ()
        self.online = False
        self.allocation: Allocation | None = None
        self.reading: MeterReading | None = None
        self.meter_error: str | None = None
        self.granted_ma = 0
        self.hold = ""
        """Why no transaction may begin just now, in words; empty: one may."""
        self._lost = False
        self._stop_reason = "Local"
        self._car = False
        self._left = False
        self._since_ms = 0
        self._opened_ms: int | None = None
        self._effects: list[events.SessionEffect] = []
        self._status: tuple[str, str] | None = None
        self._now_ms = 0

    def handle(self, event: events.SessionEvent, now_ms: int) -> list[events.SessionEffect]:
        """Take one event at now_ms (monotonic) and return what is to be done."""
        self._now_ms = now_ms
        self._effects = []
        self._take(event)
        self._settle()
        self._grant()
        self._report()
        return self._effects

    def deadline(self) -> int | None:
        """When a Ticked is due at the latest."""
        wait_ms = table.TIMEOUTS_MS.get(self.state)
        if wait_ms is None or (self.state == table.IDLE and self.id_tag is None):
            return None
        return self._since_ms + wait_ms

    @property
    def status(self) -> str:
        """The connector's status in the words of OCPP 1.6."""
        if self._lost or self.faults:
            return "Faulted"
        if self.state == table.IDLE:
            return "Available"
        if self.state in (table.PREPARING, table.STARTING):
            return "Preparing"
        if self.state != table.ACTIVE:
            return "Finishing"
        if self.granted_ma == 0:
            return "SuspendedEVSE"
        return "Charging" if self.contacts_closed and self.pilot == "C" else "SuspendedEV"

    @property
    def why(self) -> str:
        """Why the current is what it is, in words."""
        if self._lost:
            return "the pilot controller does not answer; it opens the contactor by itself"
        if not self.online:
            return "waiting for the pilot controller"
        if self.faults:
            return "fault: " + ", ".join(self.faults)
        if self.state == table.IDLE:
            return "no car"
        if self.state == table.PREPARING:
            return "waiting for authorisation"
        if self.state == table.STARTING:
            return self.hold or f"waiting for the meter: {self.meter_error or 'no fresh reading yet'}"
        if self.state in (table.ENDING, table.SETTLING):
            return f"stopping: {self._stop_reason}"
        if self.state == table.FINISHING:
            return f"ended: {self._stop_reason}; waiting for the car to be unplugged"
        if self.allocation is None:
            return "no allocation yet"
        if self.granted_ma and self.pilot != "C":
            return f"offered to the car, which does not ask for it; {self.allocation.why}"
        return self.allocation.why

    def _take(self, event: events.SessionEvent) -> None:
        if isinstance(event, events.PilotChanged):
            self._take_pilot(event)
        elif isinstance(event, events.PilotLost):
            self.online = False
            self._lost = True
        elif isinstance(event, events.TokenAccepted):
            if self.state in (table.IDLE, table.PREPARING, table.FINISHING):
                self.id_tag = event.id_tag
                self._since_ms = self._now_ms
            self._fire(table.AUTHORISED)
        elif isinstance(event, events.StopRequested):
            if self.state in (table.STARTING, table.ACTIVE):
                self._stop_reason = event.reason
            self._fire(table.STOP)
        elif isinstance(event, events.MeterRead):
            self.reading = event.reading
            self.meter_error = None
        elif isinstance(event, events.MeterLost):
            self.meter_error = event.error
        elif isinstance(event, events.AllocationChanged):
            self.allocation = event.allocation

    def _take_pilot(self, event: events.PilotChanged) -> None:
        self.online = True
        self._lost = False
        self.pilot = event.pilot
        self.faults = event.faults
        if self.contacts_closed != event.contacts_closed:
            self._opened_ms = None if event.contacts_closed else self._now_ms
        self.contacts_closed = event.contacts_closed
        # E, F and ? say nothing about the plug: only A is "no car", only B, C and D are "a car".
        if event.pilot in CAR_STATES:
            self._car = True
        elif event.pilot == "A":
            self._car = False
            # Unplugged before the transaction has its end: whatever is plugged in by then is another car.
            self._left = self.state in (table.ACTIVE, table.ENDING, table.SETTLING)

    def _settle(self) -> None:
        """Fire what the known facts call for, until nothing moves any more."""
        for _ in range(len(table.STATES)):
            before = self.state
            self._fire_if(self._car and self.state == table.IDLE, table.PLUGGED)
            self._fire_if((self._left or not self._car) and self.state in WITH_CAR, table.UNPLUGGED)
            self._fire_if(self.state == table.ENDING and self.online and not self.contacts_closed, table.OPENED)
            self._fire_if(self.state == table.STARTING and self._may_begin(), table.METERED)
            self._fire_if(self.state == table.SETTLING and self._taken_after_opening(), table.METERED)
            deadline_ms = self.deadline()
            self._fire_if(deadline_ms is not None and self._now_ms >= deadline_ms, table.TIMEOUT)
            if self.state == before:
                return

    def _fire_if(self, condition: bool, trigger: str) -> None:
        if condition:
            self._fire(trigger)

    def _fire(self, trigger: str) -> None:
        state, actions = table.TABLE[self.state, trigger]
        for action in actions:
            getattr(self, f"_{action}")()
        if state == self.state:
            return
        if state == table.ENDING:
            # Open now is not proof: until the pilot has heard that the lease is withdrawn it may still close.
            self._opened_ms = None
        elif state == table.SETTLING and self._opened_ms is None:
            self._opened_ms = self._now_ms
        elif state == table.IDLE:
            self._left = False
        self.state = state
        self._since_ms = self._now_ms
        # Somebody who was authorised before the car came: no second question.
        if state == table.PREPARING and self.id_tag is not None:
            self._fire(table.AUTHORISED)

    def _may_begin(self) -> bool:
        # A connector that is reported as Faulted starts nothing.
        if self.hold or self.faults or not self.online:
            return False
        return self.reading is not None and self._now_ms - self.reading.at_ms <= FRESH_MS

    def _taken_after_opening(self) -> bool:
        if self.reading is None or self._opened_ms is None:
            return False
        return self.reading.at_ms >= self._opened_ms + SETTLE_MS

    def _ask_token(self) -> None:
        if self.id_tag is None:
            self._effects.append(events.AskToken())

    def _forget_token(self) -> None:
        self.id_tag = None

    def _begin_transaction(self) -> None:
        assert self.id_tag is not None
        assert self.reading is not None
        self._stop_reason = "Local"
        self._opened_ms = None
        self._effects.append(events.BeginTransaction(self.id_tag, self.reading))

    def _note_unplugged(self) -> None:
        self._stop_reason = "EVDisconnected"

    def _end_transaction(self) -> None:
        reading = self.reading if self._taken_after_opening() else None
        self._effects.append(events.EndTransaction(self._stop_reason, reading))
        self.id_tag = None

    def _grant(self) -> None:
        allowed = self.state == table.ACTIVE and self.online and not self.faults and self.allocation is not None
        limit_ma = self.allocation.limit_ma if allowed and self.allocation is not None else 0
        if limit_ma != self.granted_ma:
            self.granted_ma = limit_ma
            self._effects.append(events.Grant(limit_ma))

    def _report(self) -> None:
        if not self.online and not self._lost:
            return  # nothing is known yet
        status = self.status
        code, info = "NoError", ""
        if self._lost:
            code, info = "InternalError", "pilot controller does not answer"
        elif self.faults:
            code, info = ERROR_CODES.get(self.faults[0], "OtherError"), ",".join(self.faults)[:50]
        if (status, info) != self._status:
            self._status = (status, info)
            self._effects.append(events.ReportStatus(status, code, info))
