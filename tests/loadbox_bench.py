"""A bench around the load box's program: a station's source with a given duty, the car's circuit, and the program itself.

InMemory joins the program in this process to a host's link with no line in between, on a clock that only moves in run(). Child runs
it on real MicroPython at a pty or behind a TCP port, with a thread that is the circuit.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pilotwire.boards.loadbox_pico import commands, peer, sim_signal, sim_wire
from pilotwire.boards.loadbox_pico.assemble import build
from pilotwire.boards.loadbox_pico.loadbox import TICK_MS, Box
from pilotwire.boards.loadbox_pico.sim_main import SimFront
from pilotwire.boards.sim.circuit import EvCircuit
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotResult, StationLink
from pilotwire.tools.rig.process import Process
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

LIMIT_S = 30.0
BOX_MODULE = "pilotwire.boards.loadbox_pico.sim_main"
START_MS = 2**30 - 3000  # the clock goes round within the run


class Circuit:
    """The station's source and the car's circuit. `moves` has (ms, mask) of every change of the relays."""

    def __init__(self) -> None:
        self.ev = EvCircuit()
        self.duty = 1.0
        self.frequency_hz = 1000.0
        self.now_ms = START_MS
        self.mask = 0
        self.pp_ohm = 0
        self.moves: list[tuple[int, int]] = []

    def record(self) -> bytes:
        """What the box sees now."""
        high_mv, low_mv = self.ev.levels_mv(self.duty)
        return sim_signal.record(self.now_ms, high_mv, low_mv, self.duty, self.frequency_hz)

    def switch(self, mask: int, pp_ohm: int) -> None:
        """What the box drives now."""
        if mask != self.mask:
            self.moves.append((self.now_ms, mask))
        self.mask, self.pp_ohm = mask, pp_ohm
        peer.switch(self.ev, mask)

    def pass_tick(self) -> None:
        """Five milliseconds."""
        self.now_ms = (self.now_ms + TICK_MS) % 2**30


def since(later_ms: int, earlier_ms: int) -> int:
    """Modular time."""
    return (later_ms - earlier_ms) % 2**30


class InMemory:
    """The program and a host's link, joined without loss. The host falls silent while `listening` is False."""

    def __init__(self, front: SimFront | None = None) -> None:
        self.circuit = Circuit()
        self.front = front if front is not None else SimFront()
        self.box: Box = build(self.front, b"\x01\x02\x03", 4711, messages.RESET_POWER, "")
        self.host = StationLink("test", 99)
        self.listening = True
        self.states: list[object] = []
        self.results: dict[int, PilotResult] = {}
        self._ms = 0
        self.run(500)

    def tick(self) -> None:
        """One tick of everything."""
        self.circuit.pass_tick()
        self._ms += TICK_MS
        self.front.put(self.circuit.record())
        data = self.host.data_to_send() if self.listening else b""
        out = self.box.tick(self.circuit.now_ms, data)
        self.circuit.switch(self.front.mask, self.front.pp_ohm)
        if self.listening:
            self.host.receive(out, self._ms)
            self.host.tick(self._ms)
        while (event := self.host.next_event()) is not None:
            if isinstance(event, PilotResult):
                self.results[event.ident] = event

    def run(self, ms: int) -> None:
        """Let time pass."""
        for _ in range(ms // TICK_MS):
            self.tick()

    def ask(self, code: int, number: int = 0, data: bytes = b"", within_ms: int = 3000) -> PilotResult:
        """A command and its end."""
        ident = self.host.command(code, number, data)
        for _ in range(within_ms // TICK_MS):
            self.tick()
            if ident in self.results:
                return self.results.pop(ident)
        raise AssertionError(f"command {code} has not ended within {within_ms} ms")

    def measure(self, number: int = 0) -> dict[str, int]:
        """A measurement by name."""
        result = self.ask(commands.MEASURE, number)
        assert result.status == messages.OK, result.data
        return dict(zip(commands.MEASUREMENT, commands.unpack_measurement(result.data), strict=True))

    def relays(self, mask: int) -> None:
        """SET_RELAYS that has to succeed."""
        result = self.ask(commands.SET_RELAYS, mask)
        assert (result.status, result.number) == (messages.OK, mask), result.data


class Child:
    """The program in a process of its own. `device` is its line; `hurry` lets its clock run as fast as it can."""

    def __init__(self, folder: Path, on_tick: Callable[[socket.socket], None] | None = None) -> None:
        """on_tick(sock) is one exchange with the program, if it is not to be the one with `circuit`."""
        self.circuit = Circuit()
        self.hurry = False
        self.line = Pty()
        self.device = self.line.device
        self._on_tick = on_tick if on_tick is not None else self._exchange
        self._stop = threading.Event()
        self._folder = folder
        self._process: Process | None = None
        self._sock: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._servers: list[TcpServer] = []
        self.start()

    def start(self) -> None:
        """Power on."""
        micropython = find_micropython()
        interpreter = str(micropython) if micropython is not None else sys.executable
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(LIMIT_S)
            self._process = Process(
                "load box",
                [interpreter, "-m", BOX_MODULE, str(listener.getsockname()[1]), str(self._folder / "calibration")],
                self._folder / "load-box.log",
                line=self.line.master,
                environment={"MICROPYPATH": f"{PACKAGE_ROOT}:.frozen", "PILOT_ID": "e661410300000001"},
            )
            self._sock = listener.accept()[0]
        self._sock.settimeout(LIMIT_S)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Power off: the relays open."""
        assert self._process is not None
        assert self._sock is not None
        assert self._thread is not None
        self._stop.set()
        self._thread.join(LIMIT_S)
        self._process.kill()
        self._sock.close()
        self.circuit.switch(0, 0)

    def serve(self) -> str:
        """A serial server at the line; its URL."""
        self._servers.append(TcpServer(self.device))
        return self._servers[-1].url

    def wait_ms(self, ms: int) -> None:
        """Until the box's clock has gone on by so much."""
        from_ms = self.circuit.now_ms
        self.wait(lambda: since(self.circuit.now_ms, from_ms) >= ms, "the clock goes on")

    def shows(self, mask: int) -> None:
        """Until the circuit's thread has seen these relays; the program's answer may be here before it."""
        self.wait(lambda: self.circuit.mask == mask, f"relays {mask}")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until condition() holds."""
        until_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < until_s, f"{what}; the relays are {self.circuit.mask}"
            time.sleep(0.005)

    def close(self) -> None:
        """End everything that was started here."""
        for server in self._servers:
            server.close()
        self.kill()
        self.line.close()

    def _exchange(self, sock: socket.socket) -> None:
        circuit = self.circuit
        circuit.pass_tick()
        sock.sendall(circuit.record())
        reply = b""
        while len(reply) < sim_wire.TO_CIRCUIT_SIZE:
            part = sock.recv(sim_wire.TO_CIRCUIT_SIZE - len(reply))
            if not part:
                raise ConnectionError
            reply += part
        _, mask, pp_ohm = struct.unpack(sim_wire.TO_CIRCUIT, reply)
        circuit.switch(mask, pp_ohm)

    def _run(self) -> None:
        assert self._sock is not None
        with contextlib.suppress(ConnectionError):
            while not self._stop.is_set():
                self._on_tick(self._sock)
                if not self.hurry:
                    time.sleep(TICK_MS / 1000)


class TcpServer:
    """Carries bytes between one TCP client and a serial device, as a serial server does."""

    def __init__(self, device: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up."""
        self._stop.set()
        self._thread.join(LIMIT_S)
        self._listener.close()
        os.close(self._fd)

    def _run(self) -> None:
        self._listener.settimeout(LIMIT_S)
        client, _ = self._listener.accept()
        with client, contextlib.suppress(OSError):
            while not self._stop.is_set():
                ready = select.select([client, self._fd], [], [], 0.02)[0]
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(self._fd, data)
                if self._fd in ready:
                    client.sendall(os.read(self._fd, 4096))
