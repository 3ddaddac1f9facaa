"""The pilot's end of the link, sans-IO. It says HELLO until a station of its own version has answered, then STATE every 100 ms."""

from . import frame, messages

HELLO_MS = 500  # how often to say HELLO while no station of this version has been heard

_SEQ = 0x10000


class PilotLink:
    """Protocol core of the pilot side.

    `boot` is drawn by the caller at each start (0 .. 2**28). `lease` holds the last LEASE frame that was meant for this boot as
    [mode, limit_ma, ttl_ms, phases, issued_ms, requests] until it is taken with take_lease().
    """

    def __init__(self, boot: int, program: str) -> None:
        self.boot = boot
        self.program = program
        self.peer_ok = False
        self._lease: "list[int] | None" = None
        self._narrowings: "list[tuple[int, int]]" = []
        self._reader = frame.FrameReader()
        self._out = bytearray()
        self._seq = 0
        self._heard = 0

    @property
    def rejected(self) -> int:
        """Frames thrown away because they were damaged."""
        return self._reader.rejected

    def receive(self, data: "bytes | bytearray") -> None:
        """Bytes from the line."""
        for message in self._reader.receive(data):
            if messages.is_valid(message):
                self._take(message)
            else:
                self._reader.rejected += 1

    def take_lease(self) -> "list[int] | None":
        """The newest LEASE since the last call, or None."""
        lease = self._lease
        self._lease = None
        return lease

    def take_narrowings(self) -> "list[tuple[int, int]]":
        """Parameters that the station wants narrower since the last call, as (index, value)."""
        narrowings = self._narrowings
        self._narrowings = []
        return narrowings

    def send_hello(self) -> None:
        """Say who we are."""
        self._send([messages.HELLO, self._next_seq(), messages.VERSION, self.boot, self.program])

    def send_state(self, fields: "list[int]") -> None:
        """Send STATE; fields are pilot_ms .. bcb of messages.py. Silent while no fitting station has been heard."""
        if self.peer_ok:
            head = [messages.STATE, self._next_seq(), self._heard, self.boot]
            self._send(head + fields)

    def data_to_send(self) -> bytes:
        """Bytes for the line; forgets them."""
        data = bytes(self._out)
        self._out = bytearray()
        return data

    def _take(self, message: "list[object]") -> None:
        kind = message[0]
        self._heard = message[1] % _SEQ  # type: ignore[operator]  # is_valid has seen to the types
        if kind == messages.HELLO:
            self.peer_ok = message[2] == messages.VERSION
            self.send_hello()
        elif kind == messages.LEASE and self.peer_ok and message[3] == self.boot:
            requests = (
                self._lease[5] if self._lease is not None else 0
            )  # nothing that was asked for is lost with an older lease
            lease = [message[5], message[6], message[7], message[8], message[4], message[9] | requests]  # type: ignore[operator]
            self._lease = lease  # type: ignore[assignment]
        elif kind == messages.NARROW and self.peer_ok and message[3] == self.boot and len(self._narrowings) < 32:
            self._narrowings.append((message[4], message[5]))  # type: ignore[arg-type]

    def _send(self, message: "list[object] | list[int]") -> None:
        self._out.extend(frame.encode(message))  # type: ignore[arg-type]

    def _next_seq(self) -> int:
        self._seq = (self._seq + 1) % _SEQ
        return self._seq
