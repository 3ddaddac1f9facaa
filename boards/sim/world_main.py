"""The simulated world as a process of its own.

    python -m pilotwire.boards.sim.world_main [--meter-port N]

It prints one JSON line with its ports and then lives until it is told to quit, or its standard input closes:

* pilot port (TCP, loopback): a pilot program connects here and gets its pins (wire.py). The newest connection counts.
* control port (TCP, loopback): JSON lines, one request, one reply; see COMMANDS.
* meter port (UDP, loopback): samples of voltage and current for the meter, `<q6d`.

Time: the world's clock follows real time in slots of one pilot tick. Pilot and world move in lock step, so a tick that the
operating system delays is a tick that the world has waited for, and time in which this process or the pilot's did not get the
processor does not count: a busy machine changes no verdict. Only a pilot that is silent for PATIENCE_MS of real time, or whose
connection has closed, is left behind. Then the world makes up for the wait and goes on without it, in which case the charge
pump drops the coil.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from typing import Any

from pilotwire.boards.sim import wire
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.frontend import cp_u16
from pilotwire.firmware.pilot.program import TICK_MS

PATIENCE_MS = 300
STALL_MS = (
    20  # a delay longer than this is the machine's, and the clock stands still for it; shorter ones are made up for
)
CLOCK_ROWS = 60_000  # five minutes of slots, for placing other processes' instants on the world's clock

LINE_MAX = 65536

Range = tuple[float, float]
# Setting and its range; flags have none.
CAR_SETTINGS: dict[str, Range | None] = {
    "wants_charge": None,
    "obeys_x1": None,
    "charger_a": (0.0, 80.0),
    "phases": (1, 3),
    "stored_wh": (0.0, 1e6),
    "ramp_up_a_s": (0.1, 1e4),
    "ramp_down_a_s": (0.1, 1e4),
}
CIRCUIT_SETTINGS: dict[str, Range | None] = {
    "diode": None,
    "shorted": None,
    "ventilation": None,
    "r_b_ohm": (1.0, 1e6),
    "r_c_ohm": (1.0, 1e6),
}
CONTACTOR_SETTINGS: dict[str, Range | None] = {"welded": None, "stuck_open": None}


class CommandError(Exception):
    """A control request that cannot be carried out; the text goes back to the asker."""


class Control:
    """The control port's commands on a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.quit = False
        self.clock: deque[tuple[float, int]] = deque(maxlen=CLOCK_ROWS)
        """Pairs of system monotonic ms and world ms, one for each slot."""

    def handle(self, line: bytes) -> bytes:
        """One request line in, one reply line out; never raises for bad input."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise CommandError("a request is a JSON object with a key 'cmd'")
            reply = self._run(request)
        except (CommandError, ValueError) as error:
            reply = {"ok": False, "error": str(error)}
        except RecursionError:
            reply = {"ok": False, "error": "nested too deeply"}
        return json.dumps(reply).encode() + b"\n"

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        command = request.get("cmd")
        if command == "now":
            pass
        elif command == "plug":
            world.car.plug()
        elif command == "unplug":
            world.car.unplug()
        elif command == "set":
            self._set(world.car, request.get("car", {}), CAR_SETTINGS)
            self._set(world.car.circuit, request.get("circuit", {}), CIRCUIT_SETTINGS)
            self._set(world.contactor, request.get("contactor", {}), CONTACTOR_SETTINGS)
        elif command == "read":
            return {"ok": True, "soc": round(world.car.soc, 4), "energy_true_wh": world.energy_wh, **world.row()}
        elif command in ("events", "trace"):
            since = request.get("since", 0)
            if not isinstance(since, int) or since < 0:
                raise CommandError("'since' is the number of rows already read, 0 or more")
            rows = world.events if command == "events" else world.trace
            return {"ok": True, "t_ms": world.now_ms, "rows": rows[since:]}
        elif command == "at":
            return {"ok": True, "t_ms": self._at(request.get("mono_ms"))}
        elif command == "quit":
            self.quit = True
        else:
            raise CommandError(
                f"unknown command {command!r}; there are now, plug, unplug, set, read, events, trace, at, quit"
            )
        return {"ok": True, "t_ms": world.now_ms}

    def _at(self, mono_ms: Any) -> int:
        """World time at an instant of the system's monotonic clock, for what other processes have seen."""
        if not isinstance(mono_ms, int | float) or not self.clock or mono_ms < self.clock[0][0]:
            raise CommandError("'mono_ms' is an instant of the system's monotonic clock in the last minutes, in ms")
        return self.clock[bisect.bisect_right(self.clock, (float(mono_ms), TICKS_PERIOD)) - 1][1]

    @staticmethod
    def _set(target: object, values: object, allowed: dict[str, Range | None]) -> None:
        if not isinstance(values, dict):
            raise CommandError("'car', 'circuit' and 'contactor' are JSON objects")
        for key, value in values.items():
            if key not in allowed:
                raise CommandError(f"unknown setting {key!r}; there are {', '.join(allowed)}")
            kind = type(getattr(target, key))
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)  # noqa: PLW2901
            if type(value) is not kind:
                raise CommandError(f"{key} is a {kind.__name__}, not {value!r}")
            limits = allowed[key]
            if limits is not None and not limits[0] <= value <= limits[1]:  # NaN is in no range either
                raise CommandError(f"{key} is {limits[0]:g}..{limits[1]:g}, not {value!r}")
            setattr(target, key, value)


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
        self._clients: dict[socket.socket, bytes] = {}
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
            for key, _ in self._selector.select(max(0.0, left)):
                self._serve(key.fileobj)
            if left > 0:
                self._stalled(time.monotonic() - due)
            if left <= 0 or self.control.quit:
                return

    def _stalled(self, late_s: float) -> None:
        """Let the clock stand still for a delay that nobody in the simulation is to blame for."""
        if late_s > STALL_MS / 1000.0:
            self._zero_s += late_s

    def _serve(self, source: Any) -> None:
        if source is self._pilot_listener:
            self._adopt_pilot(source.accept()[0])
        elif source is self._control_listener:
            client, _ = source.accept()
            self._clients[client] = b""
            self._selector.register(client, selectors.EVENT_READ)
        elif isinstance(source, socket.socket):
            if source is self._pilot:
                self._read_pilot()
            elif source in self._clients:
                self._read_client(source)
        elif not os.read(sys.stdin.fileno(), 4096):
            self.control.quit = True  # whoever started us is gone

    def _read_client(self, client: socket.socket) -> None:
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(client)
            del self._clients[client]
            client.close()
            return
        *lines, rest = (self._clients[client] + data).split(b"\n")
        if len(rest) > LINE_MAX:
            lines, rest = [*lines, b"too long"], b""
        self._clients[client] = rest
        for line in lines:
            reply = self.control.handle(line)
            client.settimeout(2.0)
            try:
                client.sendall(reply)
            except OSError:
                return  # the asker has gone; its end shows up as an empty read

    def _adopt_pilot(self, sock: socket.socket) -> None:
        self._drop_pilot()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE_MS / 1000.0)
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
            high_mv, low_mv, closed = self.world.inputs()
            tick = self.world.now_ms % TICKS_PERIOD
            record = struct.pack(wire.TO_PILOT, tick, cp_u16(high_mv), cp_u16(low_mv), int(closed))
            try:
                self._pilot.sendall(record)
            except OSError:
                self._drop_pilot()
                return
            self._unanswered = True
        asked_s = time.monotonic()
        while self._awaited():
            self._read_pilot()
            waited_s = time.monotonic() - asked_s
            if not self._awaited():
                self._stalled(waited_s)  # it lives, it only had to wait for the processor (or it is gone: then at once)
            elif waited_s >= PATIENCE_MS / 1000.0:
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
            self.world.set_outputs(duty_u16 / 65535.0, bool(levels & 1), levels >> 1 & 1)

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
