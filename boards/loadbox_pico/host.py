"""The load box as a bench uses it: plug, states, faults of the car's circuit, measurement. Host only; every call waits.

    with LoadBox("/dev/ttyUSB0") as box:
        box.plug()
        box.state("C")
        print(box.measure())

The box opens every relay when this process ends, hangs or is stopped for longer than 5 s; the next call then says so once, and
what was plugged in is to be plugged in again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from pilotwire.boards.loadbox_pico import commands
from pilotwire.boards.loadbox_pico.pump import BAUD, LoadBoxError, Pump, open_line
from pilotwire.firmware.shell.pilot_port import Line
from pilotwire.protocols.link import messages

PATIENCE_S = 600.0
STATES = {
    "B": commands.RB,
    "C": commands.RB | commands.RC,
    "D": commands.RB | commands.RD,
}
_POLL_S = 0.05
_SCRIPT_SLACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the box sees at the car's end of the cable, at most 40 ms old."""

    high_mv: int
    """Highest level of the pilot wire."""
    low_mv: int
    """Lowest level; the same as the highest when the wire is constant."""
    duty_permyriad: int
    """0..10000; constant: 10000 above, 0 below 1.5 V."""
    frequency_mhz: int
    """Millihertz; 0 when there are no edges through 1.5 V."""
    relays: int
    """Mask of closed relays (commands.py)."""
    pp_ohm: int
    """Resistor at proximity, 0: none."""
    steps_left: int
    """Of the script that runs, the present one counted; 0: none runs."""
    silences: int
    """How often the box has opened its relays because nobody spoke to it."""


class LoadBox:
    """One load box. `line` is a device, a URL such as socket://host:port, or an open line; it is closed with the box.

    `patience_s`: after so long without a call the box is left to itself and unplugs (pump.py). Raises LoadBoxError.
    """

    def __init__(self, line: str | Line, baud: int = BAUD, patience_s: float | None = PATIENCE_S) -> None:
        self._plugged = False
        self._state = "B"
        self._diode = True
        self._short = False
        self._pump = Pump(open_line(line, baud) if isinstance(line, str) else line, patience_s)
        try:
            hello = self._pump.connect()
            self.program = hello.program
            """What the box says of itself."""
            self.unique_id = hello.unique_id
            self.measure(at_once=True)  # a pilot does not know this command, and says so before anything is plugged in
        except BaseException:
            self._pump.close()
            raise

    def __enter__(self) -> LoadBox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def plug(self, state: str = "B") -> None:
        """Plug the car in."""
        self._check_state(state)
        self._plugged, self._state = True, state
        self._send()

    def unplug(self) -> None:
        """Take the car off the wire. A short stays, as it is in the cable; proximity stays too."""
        self._plugged, self._state = False, "B"
        self._send()

    def state(self, state: str) -> None:
        """Resistors of a car in state B, C or D; raises LoadBoxError when no car is plugged in."""
        self._check_state(state)
        self._check_plugged()
        self._state = state
        self._send()

    def diode(self, there: bool) -> None:
        """Put the car's diode in, or bridge it."""
        self._diode = there
        self._send()

    def short(self, shorted: bool) -> None:
        """Tie the pilot wire to PE, or let it go."""
        self._short = shorted
        self._send()

    def pp(self, ohm: int) -> None:
        """The cable's resistor at proximity: 1500, 680, 220, 100, or 0 for none."""
        self._ask(commands.SET_PP, ohm)

    def toggle(self, pulses: int, pulse_ms: int, gap_ms: int) -> None:
        """Close S2 for so many pulses from state B, each followed by a gap (a BCB toggle); returns when it is over, in B."""
        self._check_plugged()
        closed, opened = self._mask("C"), self._mask("B")
        self._state = "B"
        self.script([(closed, pulse_ms), (opened, gap_ms)] * pulses)

    def script(self, steps: Iterable[tuple[int, int]]) -> None:
        """Play (mask, ms) steps in the box's own time (commands.py); returns when it is over. The last mask stays."""
        try:
            data = commands.pack_steps(list(steps))
        except ValueError as error:
            raise LoadBoxError(f"this cannot be played: {error}") from error
        self._ask(commands.SCRIPT, 0, data)
        length_ms = self._ask(commands.SCRIPT_START, 0, self._pump.known_silences())
        until_s = time.monotonic() + length_ms / 1000 + _SCRIPT_SLACK_S
        while self.measure(at_once=True).steps_left:
            if time.monotonic() > until_s:
                raise LoadBoxError(f"a script of {length_ms} ms has not ended {_SCRIPT_SLACK_S:g} s after its time")
            time.sleep(_POLL_S)

    def stop(self) -> int:
        """End a script that runs; returns how many steps were left. The relays stay as they are."""
        return self._ask(commands.SCRIPT_STOP)

    def measure(self, at_once: bool = False) -> Measurement:
        """Levels, duty and relays, when the relays have come to rest; or at once, whatever they do."""
        try:
            result = self._pump.ask(commands.MEASURE, commands.NOW if at_once else 0)
            return Measurement(*commands.unpack_measurement(result.data))
        except LoadBoxError:
            self._forget()
            raise
        except ValueError as error:
            raise LoadBoxError(
                f"the load box's measurement is not understood: {error}; install the same version on both"
            ) from error

    def write_calibration(self, block: bytes) -> None:
        """Store a block of firmware/pilot/calibration.py in the box; it takes one only while everything is open."""
        self._ask(messages.CALIBRATION_WRITE, 0, block)

    def trouble(self) -> str:
        """What the next call will say has happened since the last one; empty when nothing has."""
        return self._pump.trouble()

    def close(self) -> None:
        """Open every relay and give the line back."""
        try:
            if not self._pump.trouble():
                self._pump.ask(commands.SCRIPT_STOP)
                self._pump.ask(commands.SET_RELAYS, 0)
                self._pump.ask(commands.SET_PP, 0)
        except LoadBoxError:
            pass  # it opens them by itself, 5 s after the last word
        finally:
            self._pump.close()

    def _mask(self, state: str) -> int:
        mask = commands.SHORT if self._short else 0
        mask |= 0 if self._diode else commands.NO_DIODE
        return mask | (commands.PLUG | STATES[state] if self._plugged else 0)

    def _send(self) -> None:
        self._ask(commands.SET_RELAYS, self._mask(self._state), self._pump.known_silences())

    def _ask(self, code: int, number: int = 0, data: bytes = b"") -> int:
        try:
            return self._pump.ask(code, number, data).number
        except LoadBoxError:
            self._forget()
            raise

    def _forget(self) -> None:
        """Ask the box itself next time: after an error nobody here knows what is closed, and the safe belief is nothing."""
        self._plugged, self._state, self._diode, self._short = False, "B", True, False

    def _check_plugged(self) -> None:
        if not self._plugged:
            raise LoadBoxError("no car is plugged in; plug() first")

    def _check_state(self, state: str) -> None:
        if state not in STATES:
            raise LoadBoxError(f"no state {state!r}; a car can be in {', '.join(STATES)}, or unplugged")
