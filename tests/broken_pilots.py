"""Pilots that are broken in one place each, and the check of the conformance test that must name it."""

from __future__ import annotations

from collections.abc import Iterator

from pilot_on_pty import HerePilot
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.protocols.link import cbor, cobs, frame, messages
from pilotwire.protocols.link.pilot import Identity, PilotLink

BOOT = 0x1234567
IDENTITY = Identity("broken pilot", b"12345678", b"87654321", 0, 1, b"\1\2")


class NoCrc(PilotLink):
    """Looks at no CRC."""

    def receive(self, data: bytes | bytearray) -> None:
        for message in self._reader_of_its_own(data):
            if messages.is_valid(message):
                self._take(message)
            else:
                self._reader.rejected += 1

    def _reader_of_its_own(self, data: bytes | bytearray) -> Iterator[list[object]]:
        self._buffer: bytearray = getattr(self, "_buffer", bytearray()) + data
        *frames, self._buffer = self._buffer.split(b"\0")
        for each in frames:
            body = cobs.decode(each) or bytearray()
            try:
                message = cbor.decode(body[:-4])
            except cbor.CborError:
                message = None
            if isinstance(message, list) and message:
                yield message
            elif each:
                self._reader.rejected += 1


class NoLongestFrame(PilotLink):
    """Takes frames of any length."""

    def receive(self, data: bytes | bytearray) -> None:
        self._kept: bytearray = getattr(self, "_kept", bytearray()) + data
        *frames, self._kept = self._kept.split(b"\0")
        for each in frames:
            if len(each) <= frame.MAX_FRAME:
                super().receive(each + b"\0")
            else:
                message = cbor.decode(b"\0" if each[0] == 0x55 else (cobs.decode(each) or b"")[:-4])
                if isinstance(message, list):
                    self._take(message)
                else:
                    self._reader.rejected += 1


class IgnoresBoot(PilotLink):
    """Obeys whatever boot a message names."""

    def _is_for_us(self, message: list[object]) -> bool:
        return self.peer_ok and message[4] == self.session


class IgnoresSession(PilotLink):
    """Obeys whatever session a message names."""

    def _is_for_us(self, message: list[object]) -> bool:
        return self.peer_ok and message[3] == self.boot


class DoesTwice(PilotLink):
    """Does a repeated COMMAND again."""

    def _take_command(self, message: list[object]) -> None:
        self._command_id = None
        super()._take_command(message)


class AnyCommandId(PilotLink):
    """Does old COMMANDs."""

    def _take_command(self, message: list[object]) -> None:
        if message[5] != self._command_id:
            self._command_id = None
        super()._take_command(message)


class PlainComparison(PilotLink):
    """Does not know that numbers go round."""

    def _take_command(self, message: list[object]) -> None:
        if self._command_id is None or int(message[5]) >= self._command_id:  # type: ignore[call-overload]
            super()._take_command(message)


class PlainSequence(PilotLink):
    """The same with sequence numbers."""

    def _take_lease(self, message: list[object]) -> None:
        if self._lease_seq is None or int(message[1]) > self._lease_seq:  # type: ignore[call-overload]
            super()._take_lease(message)


class SecondStation(PilotLink):
    """Listens to whoever spoke last."""

    def _take_hello(self, message: list[object]) -> None:
        self.quiet_ms = messages.QUIET_MS
        super()._take_hello(message)


class FirstStationForEver(PilotLink):
    """Never listens to another station."""

    def _take_hello(self, message: list[object]) -> None:
        self.quiet_ms = 0
        super()._take_hello(message)


class NoVersionCheck(PilotLink):
    """Binds to any version."""

    def _take_hello(self, message: list[object]) -> None:
        super()._take_hello([*message[:2], messages.VERSION, *message[3:]])


class StaysBound(PilotLink):
    """Goes on with its station when that one comes back with another version."""

    def _take_hello(self, message: list[object]) -> None:
        if self.peer_ok and message[2] != messages.VERSION and self.quiet_ms < messages.QUIET_MS:
            self.send_hello()
        else:
            super()._take_hello(message)


class KeepsCommands(PilotLink):
    """Remembers command ids across a new binding."""

    def _take_hello(self, message: list[object]) -> None:
        kept = self._command_id, self._result
        super()._take_hello(message)
        self._command_id, self._result = kept


class OldSequence(PilotLink):
    """Takes LEASEs in any order."""

    def _take_lease(self, message: list[object]) -> None:
        self._lease_seq = None
        super()._take_lease(message)


class NeverResynchronises(PilotLink):
    """Remembers the last LEASE's number for as long as it is bound."""

    def pass_time(self, ms: int) -> None:
        kept = self._lease_seq
        super().pass_time(ms)
        self._lease_seq = kept


class StaleAck(PilotLink):
    """Acknowledges the HELLO for ever."""

    def send_state(self, fields: list[int]) -> None:
        kept, self._heard = self._heard, 1
        super().send_state(fields)
        self._heard = kept


class EverythingIsLife(PilotLink):
    """Any bytes start quiet_ms again."""

    def receive(self, data: bytes | bytearray) -> None:
        super().receive(data)
        if data:
            self.quiet_ms = 0


class NeverQuiet(PilotLink):
    """Does not count how long its station has been silent."""

    def pass_time(self, ms: int) -> None:
        """Nothing."""


class HidesRejected(PilotLink):
    """Does not say how many frames were damaged."""

    @property
    def rejected(self) -> int:
        return 0


class SkipsNumbers(PilotLink):
    """Counts in twos."""

    def _next_seq(self) -> int:
        super()._next_seq()
        return super()._next_seq()


class KnowsEveryCommand(PilotLink):
    """Says OK to what it does not know."""

    def answer(self, status: int, number: int, data: bytes) -> None:
        super().answer(messages.OK if status == messages.UNKNOWN else status, number, data)


class KeepsPermission(PilotLink):
    """Does not hear mode 0."""

    def take_lease(self) -> list[int] | None:
        lease = super().take_lease()
        return None if lease is not None and lease[0] == 0 else lease


class TakesAnyMode(PilotLink):
    """Takes a mode that it does not know for AC."""

    def take_lease(self) -> list[int] | None:
        lease = super().take_lease()
        return [1, *lease[1:]] if lease is not None and lease[0] else lease


class CountsFromArrival(Pilot):
    """Counts a lease from when it came."""

    def tick(self, now_ms: int, received: bytes | bytearray) -> bytes:
        link = self.link
        taken = link.take_lease

        def take_lease() -> list[int] | None:
            lease = taken()
            return lease if lease is None else [*lease[:4], now_ms, lease[5]]

        link.take_lease = take_lease  # type: ignore[method-assign]
        try:
            return super().tick(now_ms, received)
        finally:
            del link.take_lease


class Slow(Pilot):
    """STATE every 200 ms."""

    def _report(self, now_ms: int) -> None:
        if not self.link.peer_ok or elapsed(now_ms, self._sent_ms) >= 2 * messages.PERIOD_MS:
            super()._report(now_ms)


class SaysHelloOnlyWhenAsked(Pilot):
    """Waits for a station in silence."""

    def _report(self, now_ms: int) -> None:
        if self.link.peer_ok:
            super()._report(now_ms)


class Wider(Pilot):
    """Lets the station make a parameter wider again."""

    def tick(self, now_ms: int, received: bytes | bytearray) -> bytes:
        kept = self.kernel.parameters
        out = super().tick(now_ms, received)
        if kept.value[params.TTL_MS] < 5000 and self.link.quiet_ms == 0:
            values = tuple(params.changed(tuple(kept.value), params.TTL_MS, 5000))
            self.kernel.parameters = params.Parameters(values, params.seal(values))
        return out


BROKEN: dict[type[PilotLink | Pilot], str] = {
    NoCrc: "frame-damaged",
    NoLongestFrame: "frame-overlong",
    HidesRejected: "frame-not-a-message",
    IgnoresBoot: "other-boot",
    IgnoresSession: "other-session",
    DoesTwice: "command-once",
    AnyCommandId: "command-old",
    PlainComparison: "command-ids-wrap",
    KeepsCommands: "binding-starts-anew",
    KnowsEveryCommand: "command-unknown",
    SecondStation: "second-station-refused",
    FirstStationForEver: "second-station-after-300-ms",
    NoVersionCheck: "other-version",
    StaysBound: "other-version-unbinds",
    SaysHelloOnlyWhenAsked: "hello-unbound",
    Slow: "state-period",
    SkipsNumbers: "sequence",
    StaleAck: "acknowledges",
    NeverQuiet: "quiet-counts",
    EverythingIsLife: "quiet-only-by-its-station",
    OldSequence: "lease-old-sequence",
    PlainSequence: "lease-sequence-wraps",
    NeverResynchronises: "lease-resynchronises",
    CountsFromArrival: "lease-counts-from-echo",
    KeepsPermission: "lease-withdrawn",
    TakesAnyMode: "lease-senseless",
    Wider: "narrow",
}


def broken(kind: type[PilotLink | Pilot]) -> HerePilot:
    """A running program with this fault in it."""
    if issubclass(kind, Pilot):
        return HerePilot(PilotLink(BOOT, IDENTITY), kind)
    return HerePilot(kind(BOOT, IDENTITY))
