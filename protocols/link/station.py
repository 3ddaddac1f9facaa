"""The station's end of the link, sans-IO: bytes and time in, bytes and events out.

Silent towards a pilot of another version, silent while the pilot is silent: a lease is only ever an answer to a STATE.
"""

from . import frame, messages

LOST_MS = 400  # four missed STATEs: the pilot is gone
HELLO_MS = 200  # how often to ask for the pilot's HELLO while it has not come
COMMAND_MS = 200  # how often a COMMAND is repeated while its RESULT has not come
COMMAND_LOST_MS = 2000  # a pilot that has said nothing to a COMMAND for so long does not know it
LOST = -1  # status of a COMMAND whose RESULT will not come: the pilot is silent, or another life of it is there

REQUEST_REPEATS = 3  # a request is said in so many LEASEs, in case one is lost; saying it twice does no harm
REQUEST_CLEAR = 1  # as in the kernel's lease.py

_SEQ = 0x10000


class PilotHello:
    """The pilot has started or has been met for the first time: boot number and what it says of itself (messages.py)."""

    def __init__(self, message: "list[object]") -> None:
        boot, program, unique_id, firmware_hash, capabilities, reset_reason, parameter_crc = message[3:10]
        # is_valid has seen to the types; mypy has not.
        self.boot: int = boot  # type: ignore[assignment]
        self.program: str = program  # type: ignore[assignment]
        self.unique_id: bytes = unique_id  # type: ignore[assignment]
        self.firmware_hash: bytes = firmware_hash  # type: ignore[assignment]
        self.capabilities: int = capabilities  # type: ignore[assignment]
        self.reset_reason: int = reset_reason  # type: ignore[assignment]
        self.parameter_crc: bytes = parameter_crc  # type: ignore[assignment]


class PilotRefused:
    """The pilot speaks another version of the link; nothing is sent to it but our own HELLO."""

    def __init__(self, version: int, program: str) -> None:
        self.version = version
        self.program = program


class PilotForeign:
    """The pilot at this line is not the one that belongs there; nothing is sent to it but our own HELLO."""

    def __init__(self, unique_id: bytes, wanted_id: bytes, program: str) -> None:
        self.unique_id = unique_id
        self.wanted_id = wanted_id
        self.program = program


class PilotTaken:
    """The pilot listens to another station; nothing is sent to it but our own HELLO, until it listens to us."""

    def __init__(self, session: int) -> None:
        self.session = session


class PilotState:
    """One STATE of the pilot, with the station's time of arrival; see messages.py for the fields."""

    def __init__(self, message: "list[int]", at_ms: int) -> None:
        (
            self.seq,
            self.ack,
            self.boot,
            self.session,
            self.pilot_ms,
            self.pilot,
            self.phase,
            self.cp_high_mv,
            self.cp_low_mv,
            self.duty,
            self.limit_ma,
        ) = message[1:12]
        self.outputs, self.inputs, self.lease_left_ms, self.faults, self.conditions, self.cycles = message[12:18]
        self.cable_ma, bcb, self.quiet_ms, self.rejected = message[18:]
        self.bcb_sequences, self.bcb_pulses = bcb >> 2, bcb & 3
        self.close = bool(self.outputs & messages.OUT_CLOSE)
        self.contacts_closed = bool(self.inputs & messages.IN_CONTACTS)
        self.at_ms = at_ms


class PilotStale:
    """No STATE for QUIET_MS: what the last one said is old; silent_ms says for how long there was none."""

    def __init__(self, silent_ms: int) -> None:
        self.silent_ms = silent_ms


class PilotResult:
    """The end of a COMMAND: its id and code, and status, number and data of RESULT, or LOST, 0 and nothing."""

    def __init__(self, ident: int, code: int, status: int, number: int, data: bytes) -> None:
        self.ident = ident
        self.code = code
        self.status = status
        self.number = number
        self.data = data


class PilotLost:
    """No STATE for LOST_MS in which somebody has listened; silent_ms says for how long there was none."""

    def __init__(self, silent_ms: int) -> None:
        self.silent_ms = silent_ms


class StationLink:
    """Protocol core of the station side. `leases_sent` counts LEASE frames that give permission.

    `session` is drawn by the caller at each start (1 .. 2**28), never the same twice in a row. With `unique_id` only the pilot
    that says so of itself is talked to.
    """

    def __init__(self, program: str, session: int, unique_id: "bytes | None" = None) -> None:
        self.program = program
        self.session = session
        self.unique_id = unique_id
        self.online = False
        self.leases_sent = 0
        self.state: "PilotState | None" = None
        self._reader = frame.FrameReader()
        self._out = bytearray()
        self._events: "list[object]" = []
        self._seq = 0
        self._heard = 0
        self._boot: "int | None" = None  # of the pilot that has been met
        self._refused: "object" = None  # the last reason not to talk, said once
        self._stale = False
        self._state_seq: "int | None" = None
        self._commands: "list[tuple[int, int, int, bytes]]" = []  # the first one is under way
        self._command_id = 0
        self._command_at_ms: "int | None" = None  # when the first one is said again
        self._command_since_ms = 0  # when it was first said, or the pilot last said BUSY
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

    def command(self, code: int, number: int = 0, data: bytes = b"") -> int:
        """Have something done once; returns the id that the PilotResult will carry. Several are done one after the other."""
        self._command_id = self._command_id % 0xFFFF + 1
        self._commands.append((self._command_id, code, number, data))
        return self._command_id

    def next_event(self) -> "object | None":
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

    def stale(self, now_ms: int) -> bool:
        """True when the last STATE is too old to be shown as what is now."""
        return self.state is None or not self.online or now_ms - self.state.at_ms - self._deaf_ms >= messages.QUIET_MS

    def tick(self, now_ms: int) -> None:
        """Notice silence, ask for HELLO, repeat a COMMAND."""
        if self.online and self.state is not None:
            silent_ms = now_ms - self.state.at_ms
            if not self._stale and silent_ms - self._deaf_ms >= messages.QUIET_MS:
                self._stale = True
                self._events.append(PilotStale(silent_ms))
            if silent_ms - self._deaf_ms >= LOST_MS:
                self.online = False
                self._state_seq = None
                self._events.append(PilotLost(silent_ms))
                self._lose_commands()
        if not self.online and (self._hello_at_ms is None or now_ms >= self._hello_at_ms):
            self._send_hello()
            self._hello_at_ms = now_ms + HELLO_MS
        self._say_command(now_ms)

    def _take(self, message: "list[object]", now_ms: int) -> None:
        kind = message[0]
        if kind == messages.HELLO:
            self._heard = message[1] % _SEQ  # type: ignore[operator]  # is_valid has seen to the types
            self._take_hello(message)
        elif kind in (messages.STATE, messages.RESULT):
            if message[3] != self._boot or message[4] != self.session:
                # Nobody we know, nobody we want, or somebody who listens to another station: HELLO comes first.
                self._hello_at_ms = None
                return
            self._heard = message[1] % _SEQ  # type: ignore[operator]
            if kind == messages.STATE:
                self._take_state(message, now_ms)
            else:
                self._take_result(message, now_ms)

    def _take_hello(self, message: "list[object]") -> None:
        event = self._why_not(message)
        if event is not None:
            key = (type(event), event.__dict__)
            if self._refused != key:
                self._events.append(event)
            self._refused = key
            self._boot = None
            return
        self._refused = None
        if message[10] != self.session:
            self._send_hello()  # it has not listened to anybody yet; its answer will name us
            return
        boot = message[3]
        if boot != self._boot:
            self._boot = boot  # type: ignore[assignment]
            self._state_seq = None
            self._lose_commands()
            self._narrow_repeats = REQUEST_REPEATS
            self._events.append(PilotHello(message))

    def _why_not(self, message: "list[object]") -> "object | None":
        """The event that says why this pilot is not talked to, or None."""
        version, program = message[2], message[4]
        assert isinstance(version, int)
        assert isinstance(program, str)
        if version != messages.VERSION:
            return PilotRefused(version, program)
        unique_id, session = message[5], message[10]
        assert isinstance(unique_id, bytes)
        assert isinstance(session, int)
        if self.unique_id is not None and unique_id != self.unique_id:
            return PilotForeign(unique_id, self.unique_id, program)
        return PilotTaken(session) if session not in (0, self.session) else None

    def _take_state(self, message: "list[object]", now_ms: int) -> None:
        seq = message[1] % _SEQ  # type: ignore[operator]
        if self._state_seq is not None and not messages.newer(seq, self._state_seq):
            return
        self._state_seq = seq
        state = PilotState([int(item) for item in message], now_ms)  # type: ignore[call-overload]
        self.state = state
        self._deaf_ms = 0
        self._stale = False
        self.online = True
        self._events.append(state)
        if self._narrow_repeats:
            self._narrow_repeats -= 1
            for index in sorted(self._narrowings):
                self._send(self._head(messages.NARROW) + [index, self._narrowings[index]])
        self._send_lease(state)
        self._say_command(now_ms)

    def _take_result(self, message: "list[object]", now_ms: int) -> None:
        ident, status, number, data = message[5:]
        if not self._commands or ident != self._commands[0][0] or self._command_at_ms is None:
            return  # the answer to a repetition, when the first one had already come
        if status == messages.BUSY:
            self._command_since_ms = now_ms
            return
        ident, code, _, _ = self._commands.pop(0)
        self._command_at_ms = None
        self._events.append(PilotResult(ident, code, status, number, data))  # type: ignore[arg-type]
        self._say_command(now_ms)

    def _say_command(self, now_ms: int) -> None:
        if not self.online or not self._commands:
            return
        if self._command_at_ms is None:
            self._command_since_ms = now_ms
        elif now_ms - self._command_since_ms >= COMMAND_LOST_MS:
            ident, code, _, _ = self._commands.pop(0)
            self._command_at_ms = None
            self._events.append(PilotResult(ident, code, LOST, 0, b""))
            return
        elif now_ms < self._command_at_ms:
            return
        self._command_at_ms = now_ms + COMMAND_MS
        self._send(self._head(messages.COMMAND) + list(self._commands[0]))

    def _lose_commands(self) -> None:
        for ident, code, _, _ in self._commands:
            self._events.append(PilotResult(ident, code, LOST, 0, b""))
        self._commands = []
        self._command_at_ms = None

    def _send_hello(self) -> None:
        head = [messages.HELLO, self._next_seq(), messages.VERSION, self.session, self.program]
        self._send(head + [b"", b"", 0, 0, b"", 0])

    def _head(self, kind: int) -> "list[object]":
        return [kind, self._next_seq(), self._heard, self._boot, self.session]

    def _send_lease(self, state: PilotState) -> None:
        head = self._head(messages.LEASE)
        self._send(head + [state.pilot_ms, self._mode, self._limit_ma, self._ttl_ms, self._phases, self._requests])
        self._repeats = max(0, self._repeats - 1)
        if not self._repeats:
            self._requests = 0
        if self._mode:
            self.leases_sent += 1

    def _send(self, message: "list[object]") -> None:
        self._out.extend(frame.encode(message))

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % _SEQ
        return self._seq
