"""Pilots that run on a pty in real time, with no car at their pins: the program in this process, or the real one on MicroPython."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pilotwire.boards.sim import parameters, wire
from pilotwire.firmware.kernel import params
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.frontend import FrontEnd, cp_u16
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, PILOT_MODULE

LIMIT_S = 120.0
STALL_S = 0.02


class Ticking:
    """A thread that calls tick() every 5 ms. Time in which this machine kept it waiting is not made up for."""

    def __init__(self) -> None:
        self.now_ms = 2**30 - 5000  # the clock goes round within the run
        self._stop = threading.Event()
        self.line = Pty()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tick(self) -> None:
        """One tick at now_ms."""
        raise NotImplementedError

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            due_s += TICK_MS / 1000
            left_s = due_s - time.monotonic()
            if left_s > 0:
                time.sleep(left_s)
            elif left_s < -STALL_S:
                due_s = time.monotonic()
            self.now_ms = (self.now_ms + TICK_MS) % 2**30
            self.tick()

    def close(self) -> None:
        """End the thread, then the line."""
        self._stop.set()
        self._thread.join(LIMIT_S)
        self.line.close()


class HerePilot(Ticking):
    """The pilot program in this process, with whatever link and program it is given; its pins say that there is no car."""

    def __init__(self, link: PilotLink, program: type[Pilot] = Pilot) -> None:
        super().__init__()
        self.wires = Wires()
        self.plug(12000)
        self.pilot = program(FrontEnd(Machine(self.wires)), parameters.build([(params.FITTED, 0)]), link)

    def plug(self, high_mv: int) -> None:
        """The positive level of the control pilot: 12 V no car, 9 V a car."""
        self.wires.adc_u16[frontend.CP_HIGH] = cp_u16(high_mv)
        self.wires.adc_u16[frontend.CP_LOW] = cp_u16(high_mv)

    def tick(self) -> None:
        received = b""
        if select.select([self.line.master], [], [], 0)[0]:
            received = os.read(self.line.master, 1024)
        out = self.pilot.tick(self.now_ms, received)
        with contextlib.suppress(BlockingIOError):
            if out:
                os.write(self.line.master, out)


class RealPilot(Ticking):
    """boards/sim/pilot_main on real MicroPython, whose link is the pty; this thread is the world with no car in it."""

    def __init__(self, interpreter: Path) -> None:
        super().__init__()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT_S)
            self._process = subprocess.Popen(
                [str(interpreter), "-m", PILOT_MODULE, str(listener.getsockname()[1]), f"{params.FITTED}=0"],
                env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
                stdin=self.line.master,
                stdout=self.line.master,
            )
            self._sock = listener.accept()[0]
        self._sock.settimeout(LIMIT_S)

    def tick(self) -> None:
        level = cp_u16(12000)
        self._sock.sendall(struct.pack(wire.TO_PILOT, self.now_ms, level, level, 0, 0, 0, 0, 0))
        left = wire.TO_WORLD_SIZE
        while left:
            part = self._sock.recv(left)
            assert part, "the pilot has hung up"
            left -= len(part)

    def close(self) -> None:
        super().close()
        self._sock.close()
        self._process.kill()
        self._process.wait(LIMIT_S)


@contextlib.contextmanager
def running(ticking: Ticking) -> Iterator[str]:
    """The device at which a pilot answers."""
    ticking.start()
    try:
        yield ticking.line.device
    finally:
        ticking.close()
