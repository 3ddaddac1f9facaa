"""The station's end of the link, sans-IO: bytes and time in, bytes and events out.

Silent towards a pilot of another version, silent while the pilot is silent: a lease is only ever an answer to a STATE.
"""

from . import frame, messages

LOST_MS = 400  # four missed STATEs: the pilot is gone
HELLO_MS = 200  # how often to ask for the pilot's HELLO while it has not come

REQUEST_REPEATS = 3  # a request is said in so many LEASEs, in case one is lost; saying it twice does no harm
REQUEST_CLEAR = 1  # as in the kernel's lease.py

_SEQ = 0x10000


class PilotHello:
    """The pilot has started or has been met for the first time: boot number and program text."""

    def __init__(self, boot: int, program: str) -> None:
        self.boot = boot
        self.program = program


class PilotRefused:
    """The pilot speaks another version of the link; nothing is sent to it but our own HELLO."""

    def __init__(self, version: int, program: str) -> None:
        self.version = version
        self.program = program


class PilotState:
    """One STATE of the pilot, with the station's time of arrival; see messages.py for the fields."""

    def __init__(self, message: "list[int]", at_ms: int) -> None:
        (
            self.seq,
            self.ack,
            self.boot,
            self.pilot_ms,
            self.pilot,
            self.phase,
            self.cp_high_mv,
            self.cp_low_mv,
            self.duty,
            self.limit_ma,
        ) = message[1:11]
        self.outputs, self.inputs, self.lease_left_ms, self.faults, self.conditions, self.cycles = message[11:17]
        self.cable_ma, bcb = message[17:19]
        self.bcb_sequences, self.bcb_pulses = bcb >> 2, bcb & 3
        self.close = bool(self.outputs & messages.OUT_CLOSE)
        self.contacts_closed = bool(self.inputs & messages.IN_CONTACTS)
        self.at_ms = at_ms


class PilotLost:
    """No STATE for LOST_MS in which somebody has listened; silent_ms says for how long there was none."""

    def __init__(self, silent_ms: int) -> None:
        self.silent_ms = silent_ms


class StationLink:
    """Protocol core of the station side. `leases_sent` counts LEASE frames that give permission."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.online = False
        self.leases_sent = 0
        self.state: "PilotState | None" = None
        self._reader = frame.FrameReader()
        self._out = bytearray()
        self._events: "list[PilotHello | PilotRefused | PilotState | PilotLost]" = []
        self._seq = 0
        self._heard = 0
        self._boot = -1
        self._refused = False
        self._hello_at_ms: "int | None" = None
        self._mode = 0
        self._limit_ma = 0
        self._ttl_ms = 0
        self._phases = 0
        self._requests = 0
        self._repeats = 0
        self._narrowings: "dict[int, int]" = {}
        self._narrow_repeats = 0
        self._deaf_ms = 0  # part of the present silence in which nobody has listened

    @property
    def rejected(self) -> int:
        """Frames thrown away because they were damaged."""
        return self._reader.rejected

    def set_lease(self, mode: int, limit_ma: int, ttl_ms: int, now_ms: int, phases: int = 0) -> None:
        """What the station permits from now on; renewed with every STATE until changed. Mode 0 permits nothing."""
        if (mode, limit_ma, ttl_ms, phases) == (self._mode, self._limit_ma, self._ttl_ms, self._phases):
            return
        self._mode, self._limit_ma, self._ttl_ms, self._phases = mode, limit_ma, ttl_ms, phases
        state = self.state
        if not self.online or state is None or state.boot != self._boot:
            return  # nobody there, or somebody else by now: another version, or a new life that has not said STATE yet
        if now_ms - state.at_ms < messages.PERIOD_MS * 2:
            self._send_lease(state)

    def clear_faults(self) -> None:
        """Ask the pilot to clear what may be cleared by command."""
        self.request(REQUEST_CLEAR)

    def request(self, bits: int) -> None:
        """Ask the pilot for something, with the next LEASEs."""
        self._requests |= bits
        self._repeats = REQUEST_REPEATS

    def narrow(self, index: int, value: int) -> None:
        """Ask for a narrower parameter (kernel/params.py), now and in each new life of the pilot; it decides by itself."""
        self._narrowings[index] = value
        self._narrow_repeats = REQUEST_REPEATS

    def receive(self, data: "bytes | bytearray", now_ms: int) -> None:
        """Bytes from the line."""
        for message in self._reader.receive(data):
            if messages.is_valid(message):
                self._take(message, now_ms)
            else:
                self._reader.rejected += 1

    def data_to_send(self) -> bytes:
        """Bytes for the line; forgets them."""
        data = bytes(self._out)
        self._out = bytearray()
        return data

    def next_event(self) -> "PilotHello | PilotRefused | PilotState | PilotLost | None":
        """Oldest event not yet taken, or None."""
        return self._events.pop(0) if self._events else None

    def deadline(self) -> "int | None":
        """When tick() must be called at the latest; None while nothing is awaited yet (call tick once to start)."""
        if self.online and self.state is not None:
            return self.state.at_ms + LOST_MS + self._deaf_ms
        return self._hello_at_ms

    def excuse(self, ms: int, now_ms: int) -> None:
        """Nobody has listened to the line for so long just now: that is no silence of the pilot."""
        if self.state is not None:
            self._deaf_ms = min(self._deaf_ms + ms, now_ms - self.state.at_ms)

    def tick(self, now_ms: int) -> None:
        """Notice silence, ask for HELLO."""
        if self.online and self.state is not None:
            silent_ms = now_ms - self.state.at_ms
            if silent_ms - self._deaf_ms >= LOST_MS:
                self.online = False
                self._events.append(PilotLost(silent_ms))
                self._hello_at_ms = now_ms
        if not self.online and (self._hello_at_ms is None or now_ms >= self._hello_at_ms):
            self._send([messages.HELLO, self._next_seq(), messages.VERSION, 0, self.program])
            self._hello_at_ms = now_ms + HELLO_MS

    def _take(self, message: "list[object]", now_ms: int) -> None:
        kind, seq = message[0], message[1]
        assert isinstance(seq, int)
        self._heard = seq % _SEQ
        if kind == messages.HELLO:
            self._take_hello(message)
        elif kind == messages.STATE:
            numbers = [int(item) for item in message]  # type: ignore[call-overload]  # is_valid has seen to it
            self._take_state(PilotState(numbers, now_ms))

    def _take_hello(self, message: "list[object]") -> None:
        version, boot, program = message[2], message[3], message[4]
        assert isinstance(version, int)
        assert isinstance(boot, int)
        assert isinstance(program, str)
        if version != messages.VERSION:
            if not self._refused:
                self._events.append(PilotRefused(version, program))
            self._refused = True
            self._boot = -1
            return
        self._refused = False
        if boot != self._boot:
            # A new life of the pilot needs our HELLO before it listens; its answer repeats this boot and ends the exchange.
            self._boot = boot
            self._narrow_repeats = REQUEST_REPEATS
            self._send([messages.HELLO, self._next_seq(), messages.VERSION, 0, self.program])
            self._events.append(PilotHello(boot, program))

    def _take_state(self, state: PilotState) -> None:
        if self._refused or state.boot != self._boot:
            self._hello_at_ms = None if not self.online else self._hello_at_ms
            return  # nobody we know: HELLO comes first
        self.state = state
        self._deaf_ms = 0
        self.online = True
        self._events.append(state)
        if self._narrow_repeats:
            self._narrow_repeats -= 1
            for index in sorted(self._narrowings):
                self._send([messages.NARROW, self._next_seq(), self._heard, state.boot, index, self._narrowings[index]])
        self._send_lease(state)

    def _send_lease(self, state: PilotState) -> None:
        self._send(
            [
                messages.LEASE,
                self._next_seq(),
                self._heard,
                state.boot,
                state.pilot_ms,
                self._mode,
                self._limit_ma,
                self._ttl_ms,
                self._phases,
                self._requests,
            ]
        )
        if self._repeats:
            self._repeats -= 1
            if not self._repeats:
                self._requests = 0
        if self._mode:
            self.leases_sent += 1

    def _send(self, message: "list[object]") -> None:
        self._out.extend(frame.encode(message))

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % _SEQ
        return self._seq
