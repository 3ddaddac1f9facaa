"""What `pilotwire calibrate` talks through: one pilot on a serial line, and a person (or a script) on standard input.

One loop and no threads: whatever is waited for, the link's frames go on, or the pilot would think that its station is gone.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable

from pilotwire.firmware.kernel import bands
from pilotwire.firmware.shell.pilot_port import Line
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import (
    LOST,
    PilotForeign,
    PilotHello,
    PilotLost,
    PilotRefused,
    PilotResult,
    PilotTaken,
    StationLink,
)

STEP_S = 0.02
CONNECT_S = 5.0
COMMAND_S = 20.0
IDLE_S = 15.0
STATUSES = {
    messages.OK: "done",
    messages.UNKNOWN: "it does not know this command",
    messages.REFUSED: "it refuses",
    messages.BUSY: "it is busy",
    messages.BAD: "it does not accept this",
    LOST: "no answer",
}


class LineError(Exception):
    """The pilot, the line or the other side said no; the text is for the person at the bench."""


class PilotLine:
    """A StationLink over an open line. Never grants a lease."""

    def __init__(self, line: Line, link: StationLink) -> None:
        self.link = link
        self._fd = line.fileno()
        self._hello: PilotHello | None = None
        self._taken = False
        self._results: dict[int, PilotResult] = {}

    def connect(self) -> PilotHello:
        """Wait for the pilot; raises LineError that says what is there instead."""
        try:
            self.pump(lambda: self.link.online and self._hello, CONNECT_S, "no pilot answers on this line")
        except LineError as error:
            if self._taken:
                raise LineError("the pilot listens to a station; stop that one first (pilotwire run)") from error
            raise
        assert self._hello is not None
        return self._hello

    def ask(self, code: int, number: int = 0, data: bytes = b"") -> PilotResult:
        """Have a command done and return its end, whatever that is."""
        ident = self.link.command(code, number, data)
        self.pump(lambda: ident in self._results, COMMAND_S, f"the pilot has not ended command {code}")
        return self._results.pop(ident)

    def wait_for_idle(self) -> None:
        """Wait until the pilot shows state A with open contacts."""
        self.pump(self._is_idle, IDLE_S, "the pilot does not come back to state A with open contacts")

    def said(self, result: PilotResult) -> str:
        """The end of a command in words."""
        words = result.data.decode(errors="replace")
        return STATUSES.get(result.status, f"status {result.status}") + (f": {words}" if words else "")

    def pump(self, done: Callable[[], object], timeout_s: float, otherwise: str, also: int | None = None) -> None:
        """Keep the link going until done(), or until the descriptor `also` can be read; LineError after timeout_s."""
        until = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() >= until:
                raise LineError(f"{otherwise} (waited {timeout_s:g} s)")
            ready = select.select([self._fd] if also is None else [self._fd, also], [], [], STEP_S)[0]
            if self._fd in ready:
                self._read()
            now_ms = int(time.monotonic() * 1000)
            self.link.tick(now_ms)
            self._write()
            while (event := self.link.next_event()) is not None:
                self._take(event)
            if also in ready:
                return

    def _is_idle(self) -> bool:
        state = self.link.state
        return state is not None and state.pilot == bands.A and not state.close and not state.contacts_closed

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            raise LineError(f"the line is lost: {error.strerror}") from error
        if not data:
            raise LineError("the line is lost: the device has gone")
        self.link.receive(data, int(time.monotonic() * 1000))

    def _write(self) -> None:
        data = self.link.data_to_send()
        if not data:
            return
        try:
            os.write(self._fd, data)
        except BlockingIOError:
            return  # nobody reads at the other end; whatever matters is said again
        except OSError as error:
            raise LineError(f"the line is lost: {error.strerror}") from error

    def _take(self, event: object) -> None:
        if isinstance(event, PilotHello):
            if self._hello is not None:
                raise LineError("the pilot has started anew; begin again")
            self._hello = event
        elif isinstance(event, PilotResult):
            self._results[event.ident] = event
        elif isinstance(event, PilotRefused):
            raise LineError(f"the pilot ({event.program}) speaks link version {event.version}, not {messages.VERSION}")
        elif isinstance(event, PilotTaken):
            self._taken = True  # by somebody who may have gone just now: the pilot notices after 0.3 s
        elif isinstance(event, PilotForeign):
            raise LineError(f"another board is at this line: {event.unique_id.hex()}")
        elif isinstance(event, PilotLost):
            raise LineError(f"the pilot has fallen silent for {event.silent_ms} ms")


class Console:
    """Questions to standard input that do not stop the link."""

    def __init__(self, pilot: PilotLine) -> None:
        self._pilot = pilot
        self._buffer = b""
        self._ended = False

    def line(self, question: str) -> str:
        """One line of answer, without its end; LineError when the input has ended or nobody answers for an hour."""
        print(question, end="", flush=True)
        fd = sys.stdin.fileno()
        while b"\n" not in self._buffer:
            if self._ended:
                print()
                raise LineError("the input has ended before the calibration has; nothing was stored")
            self._pilot.pump(lambda: False, 3600.0, "nobody answers", also=fd)
            data = os.read(fd, 4096)
            self._buffer += data
            self._ended = not data
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return answer.decode(errors="replace").strip()

    def number(self, question: str, default: int) -> int:
        """A whole number; an empty line means `default`, anything else is asked again."""
        for _ in range(100):
            answer = self.line(question)
            try:
                return int(answer) if answer else default
            except ValueError:
                print(f"{answer!r} is no whole number")
        raise LineError("no number after 100 questions")
