"""`pilotwire pilot-update`: send a signed bundle to a pilot over its link, and see it run."""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pilotwire.firmware.pilot import slots
from pilotwire.firmware.shell.pilot_port import Line, open_serial
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import (
    LOST,
    PilotForeign,
    PilotHello,
    PilotRefused,
    PilotResult,
    PilotTaken,
    StationLink,
)
from pilotwire.tools.firmware import bundle
from pilotwire.tools.firmware.problem import FirmwareError

STEP_S = 0.02
MEET_MS = 5000
COMMAND_MS = 20000
RETURN_MS = 60000
"""Reset, judging the signature (seconds on a microcontroller), a trial of 10 s, and the old program back again."""
TRIES = 5
"""Times that one block is sent when nothing comes back."""

EPILOG = """\
what happens
  The pilot takes the bundle while no car is connected and its contactor is proven open, then restarts. Its loader verifies
  the Ed25519 signature before a line of the new program runs, and gives it a trial: if no station meets it within 10 s, or
  it crashes or hangs, the old program is back by itself. This command waits until one of the two has answered.

before you start
  Stop the station (`pilotwire run`): a pilot listens to one only. Unplug the car.

exit status: 0 the new program runs, 1 it does not (the text says why, and what runs instead), 2 wrong arguments.
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What an update came to."""

    program: str
    """Of the pilot that answered last."""
    sent: int
    """Bytes of the bundle; 0 when it ran already."""
    transfer_s: float
    """From UPDATE_BEGIN to the answer of UPDATE_COMMIT."""
    restart_s: float
    """From there to the HELLO of the new program."""

    @property
    def bytes_per_s(self) -> int:
        """Of the transfer."""
        return round(self.sent / self.transfer_s) if self.transfer_s else 0


def monotonic_ms() -> int:
    """The station's clock."""
    return time.monotonic_ns() // 1_000_000


class Updater:
    """One update over an open line. `clock_ms` may be another clock than the machine's, for a pilot that lives on that one."""

    def __init__(
        self,
        line: Line,
        unique_id: bytes | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        clock_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._fd = line.fileno()
        self._progress = progress
        self._clock_ms = clock_ms
        self._link = StationLink("pilot-update", random.randint(1, 2**28), unique_id)
        self._hello: PilotHello | None = None
        self._hellos = 0
        self._taken = False
        self._results: dict[int, PilotResult] = {}

    def meet(self) -> PilotHello:
        """The pilot on this line; raises FirmwareError when there is none that can be talked to."""
        if not self._pump(lambda: self._link.online and self._hello, MEET_MS):
            if self._taken:
                raise FirmwareError("the pilot listens to a station; stop that one first (pilotwire run)")
            raise FirmwareError("no pilot answers on this line. Is it the right port, and has the pilot power?")
        assert self._hello is not None
        return self._hello

    def update(self, data: bytes) -> Report:
        """Send a bundle and wait for what comes of it; raises FirmwareError unless the bundle runs at the end."""
        sha256 = hashlib.sha256(data).digest()
        hello = self.meet()
        if hello.firmware_hash == sha256[:8]:
            return Report(hello.program, 0, 0.0, 0.0)
        if not hello.capabilities & messages.CAN_UPDATE:
            raise FirmwareError(
                f"the pilot ({hello.program}) cannot be updated over the link; it needs its loader once, by wire"
            )
        began_ms = self._clock_ms()
        self._send(data, sha256)
        sent_ms = self._clock_ms()
        hello = self._wait_for_return(hello)
        if hello.firmware_hash != sha256[:8]:
            raise FirmwareError(self._why_not(hello))
        # A command is done in a later tick than the one in which the loader ends the trial: after its answer the new program stays.
        if self._ask(messages.PING, 0, b"").status == LOST:
            raise FirmwareError(
                "the new program fell silent when it had just been met. Say this command again to see what runs"
            )
        now_ms = self._clock_ms()
        return Report(hello.program, len(data), (sent_ms - began_ms) / 1000, (now_ms - sent_ms) / 1000)

    def _send(self, data: bytes, sha256: bytes) -> None:
        self._must(messages.UPDATE_BEGIN, len(data), sha256)
        for at in range(0, len(data), messages.DATA_MAX):
            self._must(messages.UPDATE_DATA, at, data[at : at + messages.DATA_MAX])
            self._progress(min(at + messages.DATA_MAX, len(data)), len(data))
        # Its answer may be lost in the restart that follows; the next HELLO says what is.
        self._must(messages.UPDATE_COMMIT, may_be_lost=True)

    def _must(self, code: int, number: int = 0, data: bytes = b"", may_be_lost: bool = False) -> None:
        """Have a command done. Said again when nothing comes back: the pilot knows a block that it has already."""
        hellos = self._hellos
        for _ in range(TRIES):
            result = self._ask(code, number, data)
            if result.status == messages.OK:
                return
            if self._hellos != hellos:
                if may_be_lost:
                    return
                raise FirmwareError(
                    "the pilot has restarted in the middle of the transfer; its program is the old one. Try again"
                )
            if result.status != LOST:
                raise FirmwareError(f"the pilot does not take the bundle: {_words(result)}")
            if may_be_lost:
                return
            self._pump(lambda: self._link.online, MEET_MS)
        raise FirmwareError(
            "the pilot has fallen silent in the middle of the transfer; its program is the old one. Try again"
        )

    def _ask(self, code: int, number: int, data: bytes) -> PilotResult:
        ident = self._link.command(code, number, data)
        if not self._pump(lambda: ident in self._results, COMMAND_MS):
            return PilotResult(ident, code, LOST, 0, b"")
        return self._results.pop(ident)

    def _wait_for_return(self, before: PilotHello) -> PilotHello:
        """The HELLO of a start after `before` that has settled: a trial may still be followed by the old program."""
        if not self._pump(lambda: self._hello is not before and self._link.online, RETURN_MS):
            raise FirmwareError(
                "the pilot has not come back after its restart. Switch it off and on: the loader then runs a program that is good"
            )
        assert self._hello is not None
        return self._hello

    def _why_not(self, hello: PilotHello) -> str:
        """The pilot has come back with another program: the reason, as it tells it."""
        text = f"the new program was not taken; {hello.program} runs"
        if hello.reset_reason != messages.RESET_REVERTED:
            return (
                text + ". The pilot lost power before the new one was judged, or the commit never reached it. Try again"
            )
        result = self._ask(messages.UPDATE_ABORT, 0, b"")
        return f"{text}. The loader says of the new one: {_words(result)}"

    def _pump(self, done: Callable[[], object], wait_ms: int) -> bool:
        """Keep the link going until done(); False when that took longer than wait_ms."""
        until_ms = self._clock_ms() + wait_ms
        while True:
            self._link.tick(self._clock_ms())
            self._write()
            while (event := self._link.next_event()) is not None:
                self._take(event)
            if done():
                return True
            if self._clock_ms() >= until_ms:
                return False
            if select.select([self._fd], [], [], STEP_S)[0]:
                self._read()

    def _take(self, event: object) -> None:
        if isinstance(event, PilotHello):
            self._hello = event
            self._hellos += 1
        elif isinstance(event, PilotResult):
            self._results[event.ident] = event
        elif isinstance(event, PilotRefused):
            raise FirmwareError(
                f"the pilot ({event.program}) speaks link version {event.version}, this program {messages.VERSION}: "
                "use the pilotwire version that made the pilot's program"
            )
        elif isinstance(event, PilotTaken):
            self._taken = True  # by somebody who may just have gone: the pilot notices after 0.3 s
        elif isinstance(event, PilotForeign):
            raise FirmwareError(f"another board is on this line: its unique id is {event.unique_id.hex()}")

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            raise FirmwareError(f"the line is lost: {error.strerror}") from error
        if not data:
            raise FirmwareError("the line is lost: the device has gone")
        self._link.receive(data, self._clock_ms())

    def _write(self) -> None:
        data = self._link.data_to_send()
        if not data:
            return
        try:
            os.write(self._fd, data)
        except BlockingIOError:
            return  # nobody reads at the other end; whatever matters is said again
        except OSError as error:
            raise FirmwareError(f"the line is lost: {error.strerror}") from error


def _words(result: PilotResult) -> str:
    """A RESULT for a person."""
    if result.status == LOST:
        return "no answer"
    return result.data.decode(errors="replace") or f"status {result.status}"


def _bar(done: int, total: int) -> None:
    """Progress on one line of a terminal; a file or pipe gets none."""
    if sys.stderr.isatty():
        full = 40 * done // total
        end = "\n" if done == total else ""
        print(f"\r[{'#' * full}{'.' * (40 - full)}] {done} of {total} bytes", end=end, file=sys.stderr, flush=True)


def _unique_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not hexadecimal") from None


def main(argv: list[str] | None = None) -> int:
    """Run the command; exit status 0 when the new program runs."""
    parser = argparse.ArgumentParser(
        prog="pilotwire pilot-update",
        description="Update the program of a pilot over its link.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", required=True, metavar="DEV", help="serial device of the pilot, e.g. /dev/serial/by-id/..."
    )
    parser.add_argument("--baud", type=int, default=115200, help="default: %(default)s")
    parser.add_argument("--unique-id", type=_unique_id, metavar="HEX", help="refuse any other board")
    parser.add_argument("bundle", type=Path, help="signed bundle, made by `pilotwire firmware build` and `sign`")
    args = parser.parse_args(argv)
    try:
        return _run(args)
    except FirmwareError as error:
        print(f"pilotwire pilot-update: {error}", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace) -> int:
    try:
        data = args.bundle.read_bytes()
    except OSError as error:
        raise FirmwareError(f"cannot read {args.bundle}: {error.strerror}") from error
    found = bundle.parse(data, str(args.bundle))
    if not bundle.is_signed(found):
        raise FirmwareError(f"{args.bundle} is not signed; say: pilotwire firmware sign --key KEY {args.bundle}")
    if len(data) > slots.MAX_BYTES:
        raise FirmwareError(f"{args.bundle} has {len(data)} bytes; a pilot takes at most {slots.MAX_BYTES}")
    try:
        line = open_serial(args.port, args.baud)
    except OSError as error:
        raise FirmwareError(
            f"cannot open {args.port}: {error}. Does it exist, may you use it (group dialout), is the station stopped?"
        ) from error
    try:
        report = Updater(line, args.unique_id, _bar).update(data)
    finally:
        line.close()
    if not report.sent:
        print(f"the pilot runs this program already: {report.program}")
        return 0
    print(f"sent {report.sent} bytes in {report.transfer_s:.1f} s ({report.bytes_per_s} bytes/s)")
    print(f"the pilot restarted and was met again after {report.restart_s:.1f} s; it now runs {report.program}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
