"""Keeps the load box's line going in a thread, and turns commands into calls that wait. Host only.

Errors name what failed and what to do about it (LoadBoxError).
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
from collections.abc import Callable

from pilotwire.firmware.shell.pilot_port import Line, open_serial
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import (
    LOST,
    PilotForeign,
    PilotHello,
    PilotLost,
    PilotRefused,
    PilotResult,
    PilotState,
    PilotTaken,
    StationLink,
)

TURN_S = 0.02
LATE_S = 0.1  # a turn that is later has been kept waiting by this machine: nobody has listened
CONNECT_S = 5.0
COMMAND_S = 10.0
BAUD = 115_200

STATUSES = {
    messages.UNKNOWN: "it does not know this command; its program is another one or an older one",
    messages.REFUSED: "it refuses",
    messages.BAD: "it does not accept this",
    LOST: "it has not answered, and may or may not have done it; look at the line and at the box's power",
}


class LoadBoxError(Exception):
    """The load box, its line or a request is not in order; the text says what, and what to do."""


def open_line(target: str, baud: int = BAUD) -> Line:
    """A serial device, or what pyserial knows by a URL, such as socket://host:port of a serial server; raises LoadBoxError."""
    import serial  # noqa: PLC0415 - not needed for a line that is open already

    try:
        if "://" in target:
            return serial.serial_for_url(target, baud, timeout=0)
        return open_serial(target, baud)
    except ValueError as error:
        raise LoadBoxError(
            f"{target} is no line: {error}; give a device such as /dev/ttyUSB0, or socket://host:port"
        ) from error
    except OSError as error:
        raise LoadBoxError(
            f"the line {target} cannot be opened: {error}; is the adapter plugged in or the serial server running, "
            "and has no other program the line open?"
        ) from error


class Pump:
    """One load box on one open line. Every method may be called by one thread at a time.

    The thread says to the box that somebody is there. It ends with this process; and when nobody has called ask() for patience_s,
    it falls silent, and the box opens everything: a test that hangs leaves nothing plugged in. None: it never does.
    """

    def __init__(self, line: Line, patience_s: float | None) -> None:
        self._line = line
        self._patience_s = patience_s
        self._link = StationLink("pilotwire load box host", random.randint(1, 1 << 28))
        self._turned = threading.Condition()
        self._results: dict[int, PilotResult] = {}
        self._hello: PilotHello | None = None
        self._silences: int | None = None
        self._why_not = ""  # what is there instead of a load box that listens to us
        self._trouble = ""  # what has happened since the last call that the caller has to know
        self._broken = ""  # the line is lost
        self._asked_s = time.monotonic()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="load box", daemon=True)
        self._thread.start()

    @property
    def state(self) -> PilotState | None:
        """The last STATE of the box (loadbox.py says what it means), or None."""
        with self._turned:
            return self._link.state

    def known_silences(self) -> bytes:
        """Data of a command that shall not be done if silence has opened the relays since; nothing while we do not know."""
        with self._turned:
            return b"" if self._silences is None else self._silences.to_bytes(2, "big")

    def connect(self) -> PilotHello:
        """Wait until the box listens to us; raises LoadBoxError that says what is there instead."""
        with self._turned:
            if not self._wait(lambda: self._link.online and self._hello is not None, CONNECT_S):
                raise LoadBoxError(
                    self._why_not
                    or f"no load box has answered within {CONNECT_S:g} s; is it powered, is its line this one, "
                    "are TX and RX the right way round?"
                )
            assert self._hello is not None
            return self._hello

    def ask(self, code: int, number: int = 0, data: bytes = b"") -> PilotResult:
        """Have a command done; raises LoadBoxError when it is not, or when the box has opened its relays since the last call."""
        with self._turned:
            self._asked_s = time.monotonic()
            self._turn()  # what has come while nobody asked
            self._raise_trouble()
            ident = self._link.command(code, number, data)
            self._turn()
            done = self._wait(lambda: ident in self._results or bool(self._trouble), COMMAND_S)
            if ident not in self._results:
                self._raise_trouble()
            if not done:
                raise LoadBoxError(f"command {code} has not ended within {COMMAND_S:g} s; look at the line")
            result = self._results.pop(ident)
            if result.status != messages.OK:
                self._raise_trouble()
                self._silences = None  # the caller is told now, and not once more when STATE says so
                words = result.data.decode(errors="replace")
                why = STATUSES.get(result.status, f"status {result.status}")
                raise LoadBoxError(f"the load box has not done command {code}: {why}{': ' + words if words else ''}")
            return result

    def trouble(self) -> str:
        """What the next ask() will raise; empty when nothing has happened."""
        return self._broken or self._trouble

    def close(self) -> None:
        """End the thread and give the line back. The box opens everything SILENCE_MS later, if it has not been told to."""
        with self._turned:
            self._stop = True
        self._thread.join(COMMAND_S)
        self._line.close()

    def _raise_trouble(self) -> None:
        trouble, self._trouble = self._trouble, ""
        if self._broken:
            raise LoadBoxError(self._broken)
        if trouble:
            raise LoadBoxError(trouble)

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Until condition() or the line is lost; True when it holds."""
        self._turned.wait_for(lambda: bool(self._broken) or condition(), timeout_s)
        return condition()

    def _run(self) -> None:
        while True:
            before_s = time.monotonic()
            try:
                select.select([self._line.fileno()], [], [], TURN_S)
            except (OSError, ValueError) as error:
                self._broken = f"the line is lost: {error}; plug it in again and open the load box anew"
            late_s = time.monotonic() - before_s - TURN_S
            with self._turned:
                if late_s > LATE_S:
                    self._link.excuse(int(late_s * 1000), _now_ms())
                if not self._broken:
                    self._turn()
                self._turned.notify_all()
                if self._stop or self._broken:
                    return

    def _turn(self) -> None:
        """Read, keep time, write."""
        self._read()
        self._link.tick(_now_ms())
        out = self._link.data_to_send()
        if out and not self._broken and self._is_patient():
            try:
                os.write(self._line.fileno(), out)
            except BlockingIOError:
                pass  # nobody reads at the other end; what matters is said again
            except OSError as error:
                self._lose(error)
        while (event := self._link.next_event()) is not None:
            self._take(event)

    def _is_patient(self) -> bool:
        return self._patience_s is None or time.monotonic() - self._asked_s < self._patience_s

    def _read(self) -> None:
        descriptor = self._line.fileno()
        if not select.select([descriptor], [], [], 0)[0]:
            return
        try:
            data = os.read(descriptor, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if not data:
            self._lose(OSError("the other end has hung up"))
        self._link.receive(data, _now_ms())

    def _lose(self, error: OSError) -> None:
        self._broken = f"the line is lost: {error}; plug it in or start the server again, then open the load box anew"

    def _take(self, event: object) -> None:
        if isinstance(event, PilotResult):
            self._results[event.ident] = event
        elif isinstance(event, PilotHello):
            if self._hello is not None and self._hello.boot != event.boot:
                self._trouble = (
                    f"the load box has restarted ({messages.RESET_NAMES.get(event.reset_reason, 'unknown')}) and has opened "
                    "every relay; look at its supply, then plug again"
                )
                self._silences = None
            self._hello = event
        elif isinstance(event, PilotState):
            if self._silences is not None and event.cycles != self._silences:
                self._trouble = (
                    "the load box has not heard this program for 5 s and has opened every relay; "
                    "was the program stopped, or out of patience, or the line off? Plug again"
                )
            self._silences = event.cycles
        elif isinstance(event, PilotLost):
            if not self._trouble:
                self._trouble = f"the load box was silent for {event.silent_ms} ms; look at the line and at its power"
        else:
            self._why_not = _why_not(event) or self._why_not


def _why_not(event: object) -> str:
    if isinstance(event, PilotTaken):
        return f"the load box listens to another program (session {event.session}); end that one, or wait until it has ended"
    if isinstance(event, PilotRefused):
        return (
            f"the box ({event.program}) speaks version {event.version} of the link, this program {messages.VERSION}; "
            "install the same version of pilotwire on both"
        )
    if isinstance(event, PilotForeign):
        return f"the box has the unique id {event.unique_id.hex()}, not {event.wanted_id.hex()}"
    return ""


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
