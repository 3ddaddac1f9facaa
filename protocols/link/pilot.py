"""The pilot's end of the link, sans-IO. It says HELLO until a station of its own version has answered, then STATE every 100 ms."""

from . import frame, messages

HELLO_MS = 500  # how often to say HELLO while no station of this version has been heard
QUIET_MAX_MS = 60000  # silence is counted up to here
# When no LEASE has been taken for so long, any one is new: numbers may have gone round, and one from before has ended long ago.
RESYNC_MS = 10000

_SEQ = 0x10000
_NARROWINGS = 32
_PROGRAM_MAX = 60  # characters of the program's name that fit into a HELLO together with everything else


class Identity:
    """What a pilot says of itself in HELLO.

    `unique_id` is the board's own number (8 bytes on an RP2040), `firmware_hash` the first 8 bytes of the SHA-256 of the running
    program, `capabilities` and `reset_reason` as in messages.py, `parameter_crc` the two bytes that seal the parameter block.
    """

    def __init__(
        self,
        program: str,
        unique_id: bytes = b"",
        firmware_hash: bytes = b"",
        capabilities: int = 0,
        reset_reason: int = 0,
        parameter_crc: bytes = b"",
    ) -> None:
        self.program = program[:_PROGRAM_MAX]
        self.unique_id = unique_id[:16]
        self.firmware_hash = firmware_hash[:8]
        self.capabilities = capabilities
        self.reset_reason = reset_reason
        self.parameter_crc = parameter_crc[:4]


class PilotLink:
    """Protocol core of the pilot side.

    `boot` is drawn by the caller at each start (0 .. 2**28). A station that says HELLO is listened to, and no other one until it
    has been silent for QUIET_MS. `quiet_ms` is how long it has been silent; pass_time() counts it.
    """

    def __init__(self, boot: int, identity: "Identity | str") -> None:
        self.boot = boot
        self.identity = Identity(identity) if isinstance(identity, str) else identity
        self.peer_ok = False
        self.session = 0
        self.quiet_ms = 0
        self._refused_ms = 0  # since a LEASE was taken
        self._result: "list[object] | None" = None  # of the COMMAND with _command_id
        self._forget()
        self._reader = frame.FrameReader()
        self._out = bytearray()
        self._seq = 0
        self._heard = 0

    def _forget(self) -> None:
        """Nothing has been heard of any station: no number, and nothing that waits."""
        self._lease: "list[int] | None" = None
        self._lease_seq: "int | None" = None
        self._narrowings: "list[tuple[int, int]]" = []
        self._command: "list[object] | None" = None
        self._command_id: "int | None" = None

    @property
    def rejected(self) -> int:
        """Frames thrown away because they were damaged or no messages."""
        return self._reader.rejected

    def pass_time(self, ms: int) -> None:
        """So much time has passed since the last call."""
        self.quiet_ms = min(self.quiet_ms + ms, QUIET_MAX_MS)
        self._refused_ms = min(self._refused_ms + ms, RESYNC_MS)
        if self._refused_ms >= RESYNC_MS:
            self._lease_seq = None

    def receive(self, data: "bytes | bytearray") -> None:
        """Bytes from the line."""
        for message in self._reader.receive(data):
            if messages.is_valid(message):
                self._take(message)
            else:
                self._reader.rejected += 1

    def take_lease(self) -> "list[int] | None":
        """The newest LEASE since the last call as [mode, limit_ma, ttl_ms, phases, issued_ms, requests], or None."""
        lease = self._lease
        self._lease = None
        return lease

    def take_narrowings(self) -> "list[tuple[int, int]]":
        """Parameters that the station wants narrower since the last call, as (index, value)."""
        narrowings = self._narrowings
        self._narrowings = []
        return narrowings

    def take_command(self) -> "tuple[int, int, bytes] | None":
        """A COMMAND that waits to be done, as (code, number, data), or None. answer() must follow, before the next one is taken."""
        command = self._command
        self._command = None
        return None if command is None else (command[6], command[7], command[8])  # type: ignore[return-value]

    def answer(self, status: int, number: int, data: bytes) -> None:
        """RESULT of the COMMAND that was taken; with BUSY the same one is taken again when the station repeats it.

        Nothing is said when another station has been bound meanwhile: it has asked for nothing.
        """
        if self._command_id is None:
            return
        result: "list[object]" = [self._command_id, status, number, data]
        self._result = None if status == messages.BUSY else result
        self._send_result(result)

    def send_hello(self) -> None:
        """Say who we are."""
        me = self.identity
        self._send(
            [
                messages.HELLO,
                self._next_seq(),
                messages.VERSION,
                self.boot,
                me.program,
                me.unique_id,
                me.firmware_hash,
                me.capabilities,
                me.reset_reason,
                me.parameter_crc,
                self.session,
            ]
        )

    def send_state(self, fields: "list[int]") -> None:
        """Send STATE; fields are pilot_ms .. bcb of messages.py. Silent while no fitting station has been heard."""
        if self.peer_ok:
            head = [messages.STATE, self._next_seq(), self._heard, self.boot, self.session]
            self._send(head + fields + [self.quiet_ms, self.rejected % _SEQ])

    def data_to_send(self) -> bytes:
        """Bytes for the line; forgets them."""
        data = bytes(self._out)
        self._out = bytearray()
        return data

    def _take(self, message: "list[object]") -> None:
        kind = message[0]
        if kind == messages.HELLO:
            self._take_hello(message)
        elif kind in (messages.LEASE, messages.NARROW, messages.COMMAND) and self._is_for_us(message):
            self.quiet_ms = 0
            self._heard = message[1] % _SEQ  # type: ignore[operator]  # is_valid has seen to the types
            if kind == messages.LEASE:
                self._take_lease(message)
            elif kind == messages.NARROW:
                if len(self._narrowings) < _NARROWINGS:
                    self._narrowings.append((message[5], message[6]))  # type: ignore[arg-type]
            else:
                self._take_command(message)

    def _is_for_us(self, message: "list[object]") -> bool:
        return self.peer_ok and message[3] == self.boot and message[4] == self.session

    def _take_hello(self, message: "list[object]") -> None:
        session = message[3]
        fits = message[2] == messages.VERSION and session != 0
        if not self.peer_ok or session == self.session or self.quiet_ms >= messages.QUIET_MS:
            if not fits:
                # Its lease ends by itself; STATE would only be noise to it.
                self.peer_ok = False
                self.session = 0
            elif session != self.session:
                self.peer_ok = True
                self.session = session  # type: ignore[assignment]
                self._forget()
            if fits:
                self.quiet_ms = 0
            self._heard = message[1] % _SEQ  # type: ignore[operator]
        self.send_hello()

    def _take_lease(self, message: "list[object]") -> None:
        seq = message[1] % _SEQ  # type: ignore[operator]
        if self._lease_seq is not None and not messages.newer(seq, self._lease_seq):
            return
        self._lease_seq = seq
        self._refused_ms = 0
        requests = message[10]
        if self._lease is not None:
            requests |= self._lease[5]  # type: ignore[operator]  # nothing that was asked for is lost with an older lease
        self._lease = [message[6], message[7], message[8], message[9], message[5], requests]  # type: ignore[list-item]

    def _take_command(self, message: "list[object]") -> None:
        ident = message[5] % _SEQ  # type: ignore[operator]
        if ident == self._command_id:
            if self._result is not None:
                self._send_result(self._result)
            else:
                self._command = message
        elif self._command is None and (self._command_id is None or messages.newer(ident, self._command_id)):
            self._command_id = ident
            self._result = None
            self._command = message

    def _send_result(self, result: "list[object]") -> None:
        head = [messages.RESULT, self._next_seq(), self._heard, self.boot, self.session]
        self._send(head + result)

    def _send(self, message: "list[object] | list[int]") -> None:
        self._out.extend(frame.encode(message))  # type: ignore[arg-type]

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % _SEQ
        return self._seq
