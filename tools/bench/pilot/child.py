"""The pilot program in a child process, as boards/sim/pilot_main.py runs it on MicroPython, its pins in this process's world.

Two clocks. On the virtual one a tick is one record each way, and no time passes while the pilot computes. `keep_real_time()` hands
the clock over to the system's: from then on the world goes on while the pilot computes, while this process sleeps and while the
machine is busy with something else, and all of that is in the figures. `late_ms` says how much of it the machine may have on its
conscience: the longest delay from the instant a tick was due to the arrival of its outputs.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from pathlib import Path

from pilotwire.boards.sim import signals, wire
from pilotwire.tools.bench.pilot.rigs import Rig
from pilotwire.tools.rig.process import Process, RigError
from pilotwire.tools.rig.rig import PACKAGE_ROOT, PILOT_MODULE, pilot_argv

AGED_MODULE = "pilotwire.tools.bench.pilot.aged_main"
ANSWER_TIMEOUT_S = 10.0


class Child(Rig):
    """A pilot of its own, in `folder` its log.

    Its link is a socket pair, which hands bytes over at once. In a pty of a busy system they may wait for as long as a lease lives
    on the virtual clock.
    """

    def __init__(
        self, rng: random.Random, changes: tuple[tuple[int, int], ...], folder: Path, aged: bool = False
    ) -> None:
        super().__init__(rng, changes, aged)
        self.late_ms = 0.0
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._zero_s = 0.0
        self._real = False
        self._answer: tuple[int, int, int] | None = None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(ANSWER_TIMEOUT_S)
            module = AGED_MODULE if aged else PILOT_MODULE
            argv, _ = pilot_argv(listener.getsockname()[1], changes, module=module)
            environment = {"MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
            with theirs:
                self._process = Process(
                    "pilot", argv, folder / "pilot.log", line=theirs.fileno(), environment=environment, hardware=True
                )
            try:
                self._sock = listener.accept()[0]
            except TimeoutError:
                words = self._process.last_words()
                self._process.kill()
                self._line.close()
                raise RigError(f"the pilot did not connect to its world; {words}") from None
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.settimeout(ANSWER_TIMEOUT_S)

    def keep_real_time(self) -> None:
        """From now on the world's clock follows the system's."""
        self._zero_s = time.monotonic() - self.now_ms / 1000.0
        self._real = True
        self.late_ms = 0.0

    def run_coarse(self, ms: int) -> None:
        """In real time there is nothing to be gained."""
        if self._real:
            self.run(ms)
        else:
            super().run_coarse(ms)

    def close(self) -> None:
        """End the pilot."""
        self._sock.close()
        self._process.kill()
        self._line.close()

    def _real_ms(self) -> float:
        return (time.monotonic() - self._zero_s) * 1000.0

    def _step(self, until_ms: int) -> None:
        if not self._real:
            super()._step(until_ms)
            return
        if self._answer is not None:
            self._pass_until(min(self._answer[0], until_ms))
            if self.now_ms >= self._answer[0]:
                _, duty_u16, levels = self._answer
                self._answer = None
                signals.write(self.world, duty_u16, levels)
            return
        if self.now_ms < self._due_ms:
            wait_s = self._zero_s + min(self._due_ms, until_ms) / 1000.0 - time.monotonic()
            if wait_s > 0.0:
                time.sleep(wait_s)
            # Late or not, an instant that a stimulus has asked for is not passed over.
            self._pass_until(min(max(int(self._real_ms()), self._due_ms), until_ms))
            return
        due_ms = self._due_ms
        if self.pilot_alive:
            self._ask()
            duty_u16, levels = self._take_answer()
            arrived_ms = self._real_ms()
            self.late_ms = max(self.late_ms, arrived_ms - due_ms)
            self._answer = (max(self.now_ms, -int(-arrived_ms // 1)), duty_u16, levels)
        if self.station_alive:
            self._talk()
        while self._due_ms <= self.now_ms:
            self._due_ms += self.tick_ms

    def _pass_until(self, ms: int) -> None:
        if ms > self.now_ms:
            self.world.advance(ms - self.now_ms)

    def _tick(self) -> None:
        self._ask()
        signals.write(self.world, *self._take_answer())

    def _ask(self) -> None:
        adc_u16, levels = signals.read(self.world)
        self._sock.sendall(struct.pack(wire.TO_PILOT, self._stamp(), *adc_u16, levels))

    def _take_answer(self) -> tuple[int, int]:
        answer = b""
        while len(answer) < wire.TO_WORLD_SIZE:
            try:
                part = self._sock.recv(wire.TO_WORLD_SIZE - len(answer))
            except TimeoutError:
                part = b""
            if not part:
                raise RigError(f"the pilot does not answer; {self._process.last_words()}")
            answer += part
        _, duty_u16, levels = struct.unpack(wire.TO_WORLD, answer)
        return duty_u16, levels

    def _talk(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.station.receive(self._line.recv(4096), self.now_ms)
        self.station.tick(self.now_ms)
        data = self.station.data_to_send()
        if data:
            self._line.sendall(data)
        self._listen()
