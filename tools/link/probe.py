"""A station made of single frames: says what a check wants said, hears what the pilot says, knows nothing of how ours are built."""

from __future__ import annotations

import binascii
import contextlib
import os
import random
import select
import termios
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pilotwire.protocols.link import cbor, cobs, frame, messages

LATE_MS = 40
"""This computer (or the pilot's line) was kept waiting for longer: a check that fails then is worth another try."""
ANSWER_MS = 1500
"""How long the pilot is given for an answer that the page wants at once: a line may be slow, and a verdict must not hang on it."""
BIND_MS = 2000
HEARD_MAX = 20_000
PROGRAM = "pilotwire conformance"
STATE_A = 1
MASK = (1 << 30) - 1


class ConformanceError(Exception):
    """The pilot has not done what the page wants; the text says what it did."""


class SkipError(Exception):
    """The check cannot be made here and now; the text says why."""


class LineError(Exception):
    """The line cannot be read or written any more."""


class State(NamedTuple):
    """One STATE in the page's order, with our time of arrival."""

    at_ms: float
    seq: int
    ack: int
    boot: int
    session: int
    pilot_ms: int
    pilot: int
    phase: int
    cp_high_mv: int
    cp_low_mv: int
    duty: int
    limit_ma: int
    outputs: int
    inputs: int
    lease_left_ms: int
    faults: int
    conditions: int
    cycles: int
    cable_ma: int
    bcb: int
    quiet_ms: int
    rejected: int

    def after_ms(self, earlier: int) -> int:
        """Milliseconds of the pilot's clock since its instant `earlier`, modular."""
        return (self.pilot_ms - earlier) & MASK

    @property
    def idle(self) -> str:
        """Empty when there is no car and nothing is closed; otherwise what there is, in words."""
        if self.outputs & (messages.OUT_CLOSE | messages.OUT_PHASES | messages.OUT_SUPPLY):
            return "the pilot drives a contactor or the DC supply"
        if self.inputs & (messages.IN_CONTACTS | messages.IN_PHASES):
            return "a mirror contact says closed"
        return "" if self.pilot == STATE_A else f"pilot state is {self.pilot} and not 1 (A, no car)"


Message = list[object]
Heard = tuple[float, Message]


def raw_frame(body: bytes) -> bytes:
    """A frame around any body, with the right CRC."""
    crc = binascii.crc32(body).to_bytes(4, "big")
    return bytes(cobs.encode(body + crc)) + b"\0"


class Probe:
    """One open line. `answer` is called with each STATE of our binding; by default it says LEASE with mode 0."""

    def __init__(self, descriptor: int, rng: random.Random | None = None) -> None:
        self.rng = rng if rng is not None else random.Random()
        self.session = 0
        self.boot = -1
        self.hello: Message = []
        self.last: State | None = None
        self.heard: list[Heard] = []
        """All messages since clear()."""
        self.answer: Callable[[State], None] | None = self.withdraw
        self.late_ms = 0.0
        """Longest time for which this computer or the pilot has been kept waiting since clear()."""
        self.sent_at_ms = 0.0
        self.bad_frames = 0
        """Frames of the pilot that no reader would take."""
        self.granted = False
        self._descriptor = descriptor
        self._reader = frame.FrameReader()
        self._queue: deque[Heard] = deque()
        self._seq = 0
        self._said_seq = 0
        self._ident = 0

    # What passes over the line.

    @staticmethod
    def now_ms() -> float:
        """Our clock."""
        return time.monotonic() * 1000.0

    def clear(self) -> None:
        """Forget what has been heard so far, not who is bound."""
        self.pump(0)
        self.heard.clear()
        self.late_ms = 0.0

    def settle(self) -> None:
        """Throw away what had piled up in the line before we came."""
        with contextlib.suppress(termios.error):
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
        self.pump(250)
        self._reader = frame.FrameReader()
        self.bad_frames = 0

    def say(self, data: bytes) -> None:
        """Bytes as they are."""
        until = self.now_ms() + ANSWER_MS
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                if self.now_ms() > until:
                    raise LineError("the line takes no more bytes: nobody reads at its other end") from None
                select.select([], [self._descriptor], [], 0.01)
            except OSError as error:
                raise LineError(str(error)) from error
        self.sent_at_ms = self.now_ms()

    def pump(self, ms: float, stop: Callable[[Message], bool] | None = None) -> Message | None:
        """Listen for so long, or until stop(message) holds: then that message, otherwise None."""
        until = self.now_ms() + ms
        while True:
            while self._queue:
                message = self._note(*self._queue.popleft())
                if stop is not None and stop(message):
                    return message
            left_ms = min(max(until - self.now_ms(), 0.0), 10.0)
            before = self.now_ms()
            readable = select.select([self._descriptor], [], [], left_ms / 1000)[0]
            if not readable:
                self.late_ms = max(self.late_ms, self.now_ms() - before - left_ms)
                if self.now_ms() >= until:
                    return None
                continue
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            raise LineError(str(error)) from error
        if not data:
            raise LineError("the other end has hung up")
        at_ms = self.now_ms()
        self._queue.extend((at_ms, message) for message in self._reader.receive(data))
        self.bad_frames += self._reader.rejected
        self._reader.rejected = 0

    def _note(self, at_ms: float, message: Message) -> Message:
        if not messages.is_valid(message):
            self.bad_frames += 1
            return [0]
        if len(self.heard) >= HEARD_MAX:
            raise ConformanceError(f"the pilot floods the line: {HEARD_MAX} messages within one check")
        self.heard.append((at_ms, message))
        if message[0] == messages.HELLO:
            self.hello = message
            if message[2] != messages.VERSION:
                raise ConformanceError(f"the pilot says HELLO of version {message[2]}")
        elif message[0] == messages.STATE and message[4] == self.session:
            state = State(at_ms, *message[1:])  # type: ignore[arg-type]  # is_valid has seen to the types
            if self.last is not None and state.session == self.last.session:
                self.late_ms = max(self.late_ms, at_ms - self.last.at_ms - state.after_ms(self.last.pilot_ms))
            self.last = state
            if self.granted and state.idle:
                self.withdraw(state)
                raise SkipError(f"{state.idle}: the lease has been withdrawn")
            if self.answer is not None:
                self.answer(state)
        return message

    def wait(self, what: str, stop: Callable[[Message], bool], ms: float = ANSWER_MS) -> Message:
        """The first message for which stop() holds; raises ConformanceError naming `what`."""
        message = self.pump(ms, stop)
        if message is None:
            raise ConformanceError(f"no {what} within {ms:g} ms")
        return message

    # What a station says.

    def next_seq(self) -> int:
        """Our next sequence number."""
        self._seq = (self._seq + 1) % 0x10000
        return self._seq

    def head(self, kind: int, seq: int | None = None, boot: int | None = None, session: int | None = None) -> Message:
        """The first five items of a message, ours where nothing else is given."""
        self._said_seq = self.next_seq() if seq is None else seq
        return [
            kind,
            self._said_seq,
            self.last.seq if self.last is not None else 0,
            self.boot if boot is None else boot,
            self.session if session is None else session,
        ]

    def say_hello(self, session: int, version: int = messages.VERSION) -> None:
        """HELLO of a station; one of another version has nothing but the head that all versions share."""
        head: Message = [messages.HELLO, self.next_seq(), version, session, PROGRAM]
        self.say(frame.encode([*head, b"", b"", 0, 0, b"", 0] if version == messages.VERSION else head))

    def lease_frame(self, pilot_ms: int, mode: int, limit_ma: int, ttl_ms: int, head: Message | None = None) -> bytes:
        """A LEASE. One that could permit is refused where the last STATE does not say that there is no car."""
        if mode:
            reason = "no STATE has been heard" if self.last is None else self.last.idle
            if reason:
                raise SkipError(f"no lease is given: {reason}")
            self.granted = True
        return frame.encode([*(head or self.head(messages.LEASE)), pilot_ms, mode, limit_ma, ttl_ms, 0, 0])

    def withdraw(self, state: State) -> None:
        """LEASE with mode 0."""
        self.granted = False
        self.say(self.lease_frame(state.pilot_ms, 0, 0, 0))

    def new_ident(self) -> int:
        """The next id of a COMMAND."""
        self._ident = self._ident % 0xFFFF + 1
        return self._ident

    def command_frame(
        self, ident: int, number: int = 0, data: bytes = b"", code: int = messages.PING, head: Message | None = None
    ) -> bytes:
        """A COMMAND."""
        return frame.encode([*(head or self.head(messages.COMMAND)), ident, code, number, data])

    def ask(self, number: int = 0, data: bytes = b"", code: int = messages.PING, ident: int | None = None) -> Message:
        """RESULT of a COMMAND that is repeated every 200 ms; raises ConformanceError when there is none."""
        ident = self.new_ident() if ident is None else ident
        for _ in range(ANSWER_MS // 200):
            self.say(self.command_frame(ident, number, data, code))
            result = self.pump(200, lambda m: m[0] == messages.RESULT and m[5] == ident)
            if result is not None:
                return result
        raise ConformanceError(f"no RESULT of COMMAND {ident} (code {code}) within {ANSWER_MS} ms")

    def results(self, ident: int) -> list[Message]:
        """What has been heard of a COMMAND since clear()."""
        return [m for _, m in self.heard if m[0] == messages.RESULT and m[5] == ident]

    def state(self) -> State:
        """The next STATE of our binding; raises ConformanceError."""
        self.wait("STATE", lambda m: m[0] == messages.STATE and m[4] == self.session)
        assert self.last is not None
        return self.last

    def answered(self) -> State:
        """The first STATE that acknowledges what was said last, the third one at the latest; raises ConformanceError.

        The very next one may have been made before our words came, when this computer is busy.
        """
        said_seq = self._said_seq
        for _ in range(3):
            state = self.state()
            if state.ack == said_seq:
                break
        return state

    def last_hello_session(self) -> object:
        """The session that the pilot's last HELLO named."""
        return self.hello[10] if len(self.hello) > 10 else None

    # Binding.

    def unbind(self) -> None:
        """Until the pilot says HELLO with session 0; raises ConformanceError."""
        self.answer = None
        until = self.now_ms() + BIND_MS
        while self.now_ms() < until:
            self.say_hello(self.session, messages.VERSION + 1)
            if self.pump(100, lambda m: m[0] == messages.HELLO and m[10:] == [0]) is not None:
                return
        raise ConformanceError("the pilot does not unbind for a HELLO of another version")

    def bind(self, session: int | None = None) -> None:
        """Until the pilot says HELLO with our session, a new one where none is given; raises ConformanceError."""
        self.answer = None
        wanted = self.rng.randrange(1, 1 << 28) if session is None else session
        until = self.now_ms() + BIND_MS
        self._seq = 0
        while self.now_ms() < until:
            self.say_hello(wanted)
            hello = self.pump(100, lambda m: m[0] == messages.HELLO and m[10:] == [wanted])
            if hello is not None:
                self.session, self.boot, self.last = wanted, int(hello[3]), None  # type: ignore[call-overload]
                self._ident = 0
                self.answer = self.withdraw
                return
        raise ConformanceError(f"the pilot does not bind to a HELLO of version {messages.VERSION} within {BIND_MS} ms")

    def fresh(self) -> State:
        """A new binding and its first STATE; what was heard before is forgotten."""
        with contextlib.suppress(ConformanceError):
            self.unbind()  # quicker than to wait until we have been quiet for long enough
        self.bind()
        state = self.state()
        self.clear()
        return state


__all__ = [
    "ConformanceError",
    "Heard",
    "LineError",
    "Message",
    "Probe",
    "SkipError",
    "State",
    "cbor",
    "frame",
    "raw_frame",
]
