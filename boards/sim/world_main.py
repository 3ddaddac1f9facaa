"""The simulated world as a process of its own.

    python -m pilotwire.boards.sim.world_main [--meter-port N]

It prints one JSON line with its ports and then lives until it is told to quit, or its standard input closes:

* pilot port (TCP, loopback): a pilot program connects here and gets its pins (wire.py). The newest connection counts.
* control port (TCP, loopback): JSON lines, one request, one reply; see control.py.
* meter port (UDP, loopback): samples of voltage and current for the meter, `<q6d`.

Time: the world's clock follows real time in slots of one pilot tick. Pilot and world move in lock step, so a tick that the
operating system delays is a tick that the world has waited for, and time in which this process or the pilot's did not get the
processor does not count: a busy machine changes no verdict. Only a pilot that is silent while this process has looked for its
answer LOOKS times, LOOK_MS each, or whose connection has closed, is left behind. Then the world makes up for the wait and goes
on without it, in which case the charge pump drops the coil.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from pilotwire.boards.sim import signals, wire
from pilotwire.boards.sim.control import Control
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.program import TICK_MS

LOOK_MS = 30
LOOKS = 10
STALL_MS = (
    20  # a delay longer than this is the machine's, and the clock stands still for it; shorter ones are made up for
)

LINE_MAX = 65536


@dataclass
class Client:
    """Someone at the control port."""

    request: bytes = b""
    """What has come of a line that is not complete yet."""
    replies: bytearray = field(default_factory=bytearray)
    """What is still to be sent."""


class WorldProcess:
    """Sockets and pacing around a World."""

    def __init__(self, world: World, meter_port: int | None) -> None:
        self.world = world
        self.control = Control(world)
        self._selector = selectors.DefaultSelector()
        self._pilot_listener = self._listen()
        self._control_listener = self._listen()
        self._pilot: socket.socket | None = None
        self._pilot_buffer = b""
        self._unanswered = False
        self._silent = False
        self._zero_s = 0.0
        self._clients: dict[socket.socket, Client] = {}
        self._meter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._meter_address = ("127.0.0.1", meter_port) if meter_port else None
        world.on_sample = self._sample
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        return listener

    def run(self) -> None:
        """Serve until told to quit."""
        ports = {
            "ready": True,
            "pilot_port": self._pilot_listener.getsockname()[1],
            "control_port": self._control_listener.getsockname()[1],
        }
        print(json.dumps(ports), flush=True)
        self._zero_s = time.monotonic() - self.world.now_ms / 1000.0
        while not self.control.quit:
            self._serve_until(self._zero_s + (self.world.now_ms + TICK_MS) / 1000.0)
            if self._pilot is not None:
                self._exchange()
            self.world.advance(TICK_MS)
            self.control.clock.append((time.monotonic() * 1000.0, self.world.now_ms))

    def _serve_until(self, due: float) -> None:
        """Answer whoever asks until real time has reached `due`; at least one look."""
        while True:
            left = due - time.monotonic()
            for key, events in self._selector.select(max(0.0, left)):
                self._serve(key.fileobj, events)
            if left > 0:
                self._stalled(time.monotonic() - due)
            if left <= 0 or self.control.quit:
                return

    def _stalled(self, late_s: float) -> None:
        """Let the clock stand still for a delay that nobody in the simulation is to blame for."""
        if late_s > STALL_MS / 1000.0:
            self._zero_s += late_s

    def _serve(self, source: Any, events: int) -> None:
        if source is self._pilot_listener:
            self._adopt_pilot(source.accept()[0])
        elif source is self._control_listener:
            client, _ = source.accept()
            client.setblocking(False)
            self._clients[client] = Client()
            self._selector.register(client, selectors.EVENT_READ)
        elif isinstance(source, socket.socket):
            if source is self._pilot:
                self._read_pilot()
            elif source in self._clients:
                self._serve_client(source, events)
        elif not os.read(sys.stdin.fileno(), 4096):
            self.control.quit = True  # whoever started us is gone

    def _serve_client(self, sock: socket.socket, events: int) -> None:
        """Take requests, give replies; the world waits for nobody."""
        client = self._clients[sock]
        try:
            if events & selectors.EVENT_READ:
                data = sock.recv(65536)
                if not data:
                    raise ConnectionResetError
                *lines, client.request = (client.request + data).split(b"\n")
                if len(client.request) > LINE_MAX:
                    lines, client.request = [*lines, b"too long"], b""
                for line in lines:
                    client.replies += self.control.handle(line)
            if client.replies:
                with contextlib.suppress(BlockingIOError):
                    del client.replies[: sock.send(client.replies)]
        except BlockingIOError:
            return
        except OSError:
            self._selector.unregister(sock)
            del self._clients[sock]
            sock.close()
            return
        # As long as one does not take its replies, no further requests are taken from it.
        self._selector.modify(sock, selectors.EVENT_WRITE if client.replies else selectors.EVENT_READ)

    def _adopt_pilot(self, sock: socket.socket) -> None:
        self._drop_pilot()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(LOOK_MS / 1000.0)
        self._selector.register(sock, selectors.EVENT_READ)
        self._pilot = sock
        self.world.note("pilot_connected")

    def _drop_pilot(self) -> None:
        if self._pilot is None:
            return
        self._selector.unregister(self._pilot)
        self._pilot.close()
        self._pilot = None
        self._pilot_buffer = b""
        self._unanswered = False
        self._silent = False
        self.world.note("pilot_gone")

    def _exchange(self) -> None:
        """One tick with the pilot: inputs out, outputs in."""
        assert self._pilot is not None
        if not self._unanswered:
            adc_u16, levels = signals.read(self.world)
            record = struct.pack(wire.TO_PILOT, self.world.now_ms % TICKS_PERIOD, *adc_u16, levels)
            try:
                self._pilot.sendall(record)
            except OSError:
                self._drop_pilot()
                return
            self._unanswered = True
        asked_s = time.monotonic()
        looks = 0
        while self._awaited():
            looks += 1
            self._read_pilot()
            if not self._awaited():
                # It lives, it only had to wait for the processor (or it is gone: then at once).
                self._stalled(time.monotonic() - asked_s)
            elif looks >= LOOKS:
                self._silent = True
                self.world.note("pilot_silent")

    def _awaited(self) -> bool:
        """True while the pilot owes an answer and is still waited for."""
        return self._pilot is not None and self._unanswered and not self._silent

    def _read_pilot(self) -> None:
        """Take what the pilot has sent; waits up to the socket's time-out."""
        assert self._pilot is not None
        try:
            data = self._pilot.recv(4096)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop_pilot()
            return
        self._pilot_buffer += data
        while len(self._pilot_buffer) >= wire.TO_WORLD_SIZE:
            record = self._pilot_buffer[: wire.TO_WORLD_SIZE]
            self._pilot_buffer = self._pilot_buffer[wire.TO_WORLD_SIZE :]
            _, duty_u16, levels = struct.unpack(wire.TO_WORLD, record)
            self._unanswered = False
            if self._silent:
                self._silent = False
                self.world.note("pilot_answers")
            signals.write(self.world, duty_u16, levels)

    def _sample(self, t_ms: int, voltage_v: tuple[float, ...], current_a: tuple[float, ...]) -> None:
        if self._meter_address is not None:
            self._meter.sendto(struct.pack("<q6d", t_ms, *voltage_v, *current_a), self._meter_address)


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(prog="world", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--meter-port", type=int, help="UDP port of the meter process that gets the samples")
    args = parser.parse_args(argv)
    process = WorldProcess(World(), args.meter_port)
    signal.signal(signal.SIGTERM, lambda *_: setattr(process.control, "quit", True))
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
