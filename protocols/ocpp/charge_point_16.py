"""An OCPP 1.6J charge point without sockets or clocks: texts and station calls in, texts and events out.

The shell calls `connected`, `receive`, `tick` and `disconnected`, sends `data_to_send` after each of them, hands
`next_event` to the station until it is None, and calls `tick` again at `deadline`. The station calls the rest, from
the same thread, online or not; transaction messages are on the disk before the call that reports them returns.

Which call is sent when stands in calls_16.py, what the central system may ask in requests_16.py, how stored messages
are sent in outbox.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from . import events, readings, wire_time
from ._generated import v16
from .calls_16 import Calls
from .charging_profile import Installed, ProfileLimit, limit_at, next_change_unix_ms
from .errors import LocalProtocolError
from .outbox import Outbox
from .readings import Sample
from .requests_16 import SUPPORTED, Requests
from .rpc import CallReceived, CallRefused, ErrorReceived, ResultReceived, Rpc
from .settings_16 import ChargePointSettings
from .smart_charging_16 import ChargingProfiles
from .store import OcppStore, TransactionRow
from .transactions_16 import Transactions


class ChargePoint16:
    """The charge point's side of one OCPP 1.6J connection, and everything that outlives it."""

    def __init__(self, settings: ChargePointSettings, store: OcppStore, new_id: Callable[[], str]) -> None:
        """`new_id` gives message ids never used before, at most 36 characters.

        Raises LocalProtocolError when vendor, model, version or serial number are too long for BootNotification.
        """
        self._settings = settings
        self._events: deque[events.Event] = deque()
        self._rpc = Rpc(v16.MESSAGES, SUPPORTED, settings.call_timeout_ms)
        self._outbox = Outbox(
            store=store,
            messages=v16.MESSAGES,
            make_frame=self._rpc.frame,
            new_id=new_id,
            attempts=settings.transaction_attempts,
            retry_ms=settings.transaction_retry_s * 1000,
        )
        self._transactions = Transactions(store, settings.connectors)
        self._profiles = ChargingProfiles(store, settings.connectors)
        emit = self._events.append
        self._calls = Calls(
            settings=settings,
            rpc=self._rpc,
            outbox=self._outbox,
            new_id=new_id,
            emit=emit,
            learn=self._transactions.learn,
        )
        self._requests = Requests(
            settings=settings,
            rpc=self._rpc,
            calls=self._calls,
            transactions=self._transactions,
            profiles=self._profiles,
            emit=emit,
            profiles_changed=self._profiles_changed,
        )
        self._connected = False
        self._limits_stale = True
        self._limits_due: tuple[int, int] | None = None

    # -- what the station asks ------------------------------------------------------------------------------------------

    @property
    def registration(self) -> str:
        """The last answer to BootNotification: Accepted, Pending, Rejected, or nothing yet."""
        return self._calls.registration

    @property
    def connected_now(self) -> bool:
        """The WebSocket is open, accepted or not."""
        return self._connected

    @property
    def registered(self) -> bool:
        """Connected and accepted."""
        return self._calls.up

    @property
    def outstanding(self) -> bool:
        """A call of ours waits for its answer."""
        return self._rpc.outstanding

    @property
    def queue_length(self) -> int:
        """Transaction messages stored and not yet answered."""
        return self._outbox.count

    def charging_limit(self, connector: int, unix_ms: int) -> ProfileLimit | None:
        """The limit the central system's profiles give now; None: it sets none."""
        return limit_at(*self._profiles_of(connector), unix_ms, self._settings.phases)

    def running_on(self, connector: int) -> TransactionRow | None:
        """The transaction running on a connector, with the central system's number once that is known."""
        return self._transactions.on(connector)

    # -- what the station reports ---------------------------------------------------------------------------------------

    def start_transaction(self, tx_ref: int, connector: int, id_tag: str, meter_start_wh: int, unix_ms: int) -> bool:
        """Store a StartTransaction, online or not; False when `tx_ref` was reported before (after a crash it may be).

        Raises LocalProtocolError: connector does not exist, id tag longer than 20 characters.
        """
        row = TransactionRow(tx_ref, connector, id_tag, unix_ms, None, False)
        if not self._transactions.begin(row, meter_start_wh):
            return False
        self._outbox.added()
        self._requests.adopt_profile(row)
        self._limits_stale = True
        return True

    def meter_values(
        self, tx_ref: int | None, connector: int, sample: Sample, unix_ms: int, context: str = "Sample.Periodic"
    ) -> bool:
        """Report a reading; stored when it belongs to a transaction (`tx_ref`), otherwise sent now or never.

        False when it went nowhere: the transaction does not run, the reading holds no finite number, or there is no
        central system to tell. `context` is one of OCPP's (Sample.Periodic, Transaction.Begin, Trigger, ...); raises
        LocalProtocolError otherwise.
        """
        value = readings.meter_value(sample, unix_ms, context, self._settings.phases)
        if not value.sampledValue:
            return False
        payload = v16.MeterValues(connectorId=connector, meterValue=[value])
        if tx_ref is not None:
            if not self._transactions.sample(tx_ref, payload):
                return False
            self._outbox.added()
            return True
        v16.MESSAGES.encode(payload)
        if self._calls.up:
            self._calls.put(payload)
        return self._calls.up

    def stop_transaction(self, tx_ref: int, meter_stop_wh: int, reason: str, id_tag: str | None, unix_ms: int) -> bool:
        """Store a StopTransaction; False when the transaction is unknown or was stopped before.

        `reason` is one of OCPP's (Local, Remote, EVDisconnected, PowerLoss, ...); raises LocalProtocolError otherwise.
        """
        if not self._transactions.end(tx_ref, meter_stop_wh, reason, id_tag, unix_ms):
            return False
        self._outbox.added()
        if self._profiles.transaction_ended(tx_ref):
            self._profiles_changed()
        self._limits_stale = True
        return True

    def status(self, connector: int, status: str, error_code: str, unix_ms: int, info: str = "") -> None:
        """Report a connector (0: the whole station); an unchanged status is not repeated.

        Raises LocalProtocolError: connector does not exist, a word is not OCPP's. `info` is cut at 50 characters.
        """
        if not 0 <= connector <= self._settings.connectors:
            raise LocalProtocolError(f"connector {connector}: 0 to {self._settings.connectors} exist")
        payload = v16.StatusNotification(
            connectorId=connector,
            errorCode=error_code,
            status=status,
            timestamp=wire_time.to_text(unix_ms),
            info=info[:50] or None,
        )
        v16.MESSAGES.encode(payload)
        self._calls.report_status(payload)

    def authorize(self, id_tag: str) -> None:
        """Ask about an id tag; an Authorized event follows in any case. Raises LocalProtocolError: over 20 characters."""
        payload = v16.Authorize(idTag=id_tag)
        v16.MESSAGES.encode(payload)
        self._calls.authorize(payload)

    def answer(self, message_id: str, accepted: bool) -> bool:
        """Decide a RemoteStartRequested or RemoteStopRequested; False when nobody waits for it (any more)."""
        return self._requests.answer(message_id, accepted)

    # -- what the shell does --------------------------------------------------------------------------------------------

    def connected(self, now_ms: int) -> None:
        """The WebSocket is open."""
        self._connected = True
        self._calls.connected(now_ms)
        self._calls.tick(now_ms)

    def disconnected(self, now_ms: int) -> None:
        """The WebSocket is gone."""
        self._connected = False
        self._rpc.reset()
        self._requests.forget()
        self._calls.disconnected()

    def receive(self, text: str, now_ms: int, unix_ms: int) -> None:
        """One text arrived. Never raises because of what it says."""
        if not self._connected:
            return
        match self._rpc.receive(text):
            case CallReceived() as call:
                self._events.append(events.Traffic("in", call.action, "call"))
                self._requests.handle(call)
            case ResultReceived() as result:
                self._events.append(events.Traffic("in", result.action, "result"))
                self._calls.on_result(result, now_ms)
            case ErrorReceived() as error:
                self._events.append(events.Traffic("in", error.action, "error"))
                self._calls.on_error(error, now_ms)
            case CallRefused(action=action, code=code, description=description):
                self._events.append(events.Traffic("in", action, "call"))
                self._events.append(events.Traffic("out", action, "error"))
                self._events.append(events.PeerMisbehaved(f"{action}: {code}: {description}"))
            case ignored:
                self._events.append(events.PeerMisbehaved(ignored.why))
        self.tick(now_ms, unix_ms)

    def tick(self, now_ms: int, unix_ms: int) -> None:
        """Do what is due."""
        self._watch_limits(now_ms, unix_ms)
        self._calls.tick(now_ms)

    def deadline(self) -> int | None:
        """Monotonic ms of the next `tick`; in the past when there is something to do now; None: nothing is due."""
        limits_ms = 0 if self._limits_stale else None if self._limits_due is None else self._limits_due[0]
        return min((due for due in (limits_ms, self._calls.deadline()) if due is not None), default=None)

    def data_to_send(self) -> list[str]:
        """Texts to send now, in order."""
        return self._rpc.data_to_send()

    def next_event(self) -> events.Event | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # -- inside -----------------------------------------------------------------------------------------------------------

    def _profiles_of(self, connector: int) -> tuple[list[Installed], int, int | None]:
        running = self._transactions.on(connector)
        if running is None:
            return self._profiles.relevant(None), connector, None
        return self._profiles.relevant(running.tx_ref), connector, running.start_unix_ms

    def _profiles_changed(self) -> None:
        self._limits_stale = True
        self._events.append(events.ChargingProfilesChanged())

    def _watch_limits(self, now_ms: int, unix_ms: int) -> None:
        """A schedule's own steps change the limit as much as a new profile does."""
        if self._limits_due is not None and unix_ms >= self._limits_due[1]:
            self._profiles_changed()
        if not self._limits_stale and (self._limits_due is None or now_ms < self._limits_due[0]):
            return
        self._limits_stale = False
        connectors = range(1, self._settings.connectors + 1)
        edges = [next_change_unix_ms(*self._profiles_of(connector), unix_ms) for connector in connectors]
        edge = min((edge for edge in edges if edge is not None), default=None)
        self._limits_due = None if edge is None else (now_ms + edge - unix_ms, edge)
