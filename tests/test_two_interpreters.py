"""CPython and real MicroPython run the same pilot program: the same hash of all it puts out, and the real main on a real pty."""

from __future__ import annotations

import functools
import itertools
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

import pilot_script
from pilotwire.boards.sim import wire
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.lease import MODE_AC
from pilotwire.firmware.pilot.frontend import cp_u16
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.protocols.link.station import PilotHello, StationLink
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, PILOT_MODULE, find_micropython

TICKS = 40_000
ENVIRONMENT = {**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
NO_MICROPYTHON = "there is no MicroPython wheel for this machine: the comparison with CPython cannot be made"
REAL_TIMEOUT_S = 30.0
TTL_MS = 5000


def micropython() -> str:
    """The interpreter; skips the test where there is none."""
    path = find_micropython()
    if path is None:
        pytest.skip(NO_MICROPYTHON)
    return str(path)


@functools.cache
def here(seed: int, start_ms: int) -> str:
    """The script's line on CPython."""
    return pilot_script.run(TICKS, seed, start_ms)


# The last start lets the clock wrap within the run.
RUNS = ((5, 0), (2, 2**29 - 100_000), (6, 2**30 - 100_000))


@pytest.mark.parametrize(("seed", "start_ms"), RUNS)
def test_the_same_random_script_puts_out_the_same_on_both_interpreters(seed: int, start_ms: int) -> None:
    digest, closings, _, rejected = here(seed, start_ms).split()
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert int(closings) > 5, "a script that never charges compares nothing"
    assert int(rejected) > 50
    done = subprocess.run(
        [micropython(), pilot_script.__file__, str(TICKS), str(seed), str(start_ms)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout == here(seed, start_ms) + "\n"


def test_the_scripts_that_are_compared_meet_every_fault_that_leaves_the_program_in_order() -> None:
    seen = 0
    for seed, start_ms in RUNS:
        seen |= int(here(seed, start_ms).split()[2])
    missing = faults.names(sum(row[0] for row in faults.FAULTS) & ~seen)
    assert missing == [row[1] for row in faults.FAULTS if row[0] == faults.PARAMETERS]


def test_the_hash_depends_on_what_was_put_out() -> None:
    assert len({pilot_script.run(500, seed, start_ms) for seed in (1, 2) for start_ms in (0, 77)}) == 4


def test_the_interpreter_that_is_compared_with_is_micropython() -> None:
    done = subprocess.run(
        [micropython(), "-c", "import sys; print(sys.implementation.name)"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "micropython\n"


class TinyWorld:
    """The other end of pilot_main's TCP connection, and a station on its pty. One tick is one record each way.

    It lacks a clock: 5 ms of the pilot's time pass per record, however long that takes here.
    """

    def __init__(self, interpreter: str) -> None:
        self.interpreter = interpreter
        program = micropython() if interpreter == "micropython" else sys.executable
        self.now_ms = 2**30 - 2000  # wraps while the two get to know each other
        self.high_mv = 12000
        self.duty_u16 = 65535
        self.coil = 0
        self.wave: list[int] = []
        self.talking = True
        self.station = StationLink("tiny station", 1)
        self.events: list[object] = []
        self._ticks = 0
        self._line = Pty()
        self._station_fd = os.open(self._line.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(REAL_TIMEOUT_S)
            master = self._line.master
            changes = (f"{params.FITTED}=0", f"{params.MIN_OFF_MS}=0")
            self.process = subprocess.Popen(
                [program, "-m", PILOT_MODULE, str(listener.getsockname()[1]), *changes],
                env=ENVIRONMENT,
                stdin=master,
                stdout=master,
                stderr=subprocess.PIPE,
            )
            self.sock = listener.accept()[0]
        self.sock.settimeout(REAL_TIMEOUT_S)

    @property
    def station_ms(self) -> int:
        """The station's clock, which does not wrap."""
        return self._ticks * TICK_MS

    def tick(self) -> None:
        """One record to the pilot, its answer, and the station's turn."""
        self._ticks += 1
        self.now_ms = (self.now_ms + TICK_MS) % 2**30
        low_mv = -12000 if 0 < self.duty_u16 < 65535 else self.high_mv
        # Nothing but the pilot wire and one contactor is fitted: the other readings and inputs may say what they like.
        readings = (cp_u16(self.high_mv), cp_u16(low_mv), 0, 0, 0, 0)
        record = struct.pack(wire.TO_PILOT, self.now_ms, *readings, self.coil)
        self.sock.sendall(record)
        answer = b""
        while len(answer) < wire.TO_WORLD_SIZE:
            part = self.sock.recv(wire.TO_WORLD_SIZE - len(answer))
            assert part, "the pilot has hung up"
            answer += part
        echoed_ms, self.duty_u16, levels = struct.unpack(wire.TO_WORLD, answer)
        assert echoed_ms == self.now_ms
        self.coil = levels & 1
        self.wave.append(levels >> 1 & 1)
        if self.talking:
            self._talk()

    def _talk(self) -> None:
        # A real pty hands bytes over in its own time: up to 2 ms of real time for the 5 ms that have passed on the pilot's clock.
        if select.select([self._station_fd], [], [], 0.002)[0]:
            self.station.receive(os.read(self._station_fd, 4096), self.station_ms)
        self.station.tick(self.station_ms)
        data = self.station.data_to_send()
        if data:
            os.write(self._station_fd, data)
        while (event := self.station.next_event()) is not None:
            self.events.append(event)

    def noise(self, data: bytes) -> None:
        """Bytes on the line that no station sends."""
        os.write(self._station_fd, data)

    def run_until(self, what: str, condition: Callable[[], object]) -> int:
        """Ticks until condition() holds; returns the pilot's milliseconds that passed."""
        started_ms, until = self.station_ms, time.monotonic() + REAL_TIMEOUT_S
        while not condition():
            assert time.monotonic() < until, f"waited {REAL_TIMEOUT_S:g} s in vain for: {what}"
            self.tick()
        return self.station_ms - started_ms

    def hang_up(self) -> tuple[int, str]:
        """The world goes away; exit status and standard error of the pilot."""
        self.sock.close()
        _, error = self.process.communicate(timeout=REAL_TIMEOUT_S)
        return self.process.returncode, error.decode()

    def close(self) -> None:
        """End everything."""
        self.sock.close()
        self.process.kill()
        self.process.communicate(timeout=REAL_TIMEOUT_S)
        os.close(self._station_fd)
        self._line.close()


@pytest.fixture(params=["micropython", "cpython"])
def world(request: pytest.FixtureRequest) -> Iterator[TinyWorld]:
    world = TinyWorld(request.param)
    yield world
    world.close()


def test_the_real_main_meets_a_station_charges_and_stops_when_the_station_is_silent(world: TinyWorld) -> None:
    world.run_until("the pilot online", lambda: world.station.online)
    hello = world.events[0]
    assert isinstance(hello, PilotHello)
    assert hello.program.startswith(f"pilotwire pilot on {world.interpreter} ")
    assert (world.duty_u16, world.coil) == (65535, 0)

    world.station.set_lease(MODE_AC, 16000, TTL_MS, world.station_ms)
    world.high_mv = 8980
    world.run_until("16 A on the PWM", lambda: world.duty_u16 == 2666 * 65535 // 10000)
    world.high_mv = 6000
    assert 250 <= world.run_until("the coil", lambda: world.coil) <= 400
    world.run_until(
        "the closing in a STATE", lambda: world.station.state is not None and world.station.state.contacts_closed
    )
    state = world.station.state
    assert state is not None
    assert (state.phase, state.duty, state.limit_ma, state.cycles) == (table.CLOSED, 2666, 15996, 1)
    assert state.cp_high_mv == pytest.approx(6000, abs=1)

    world.noise(b"\xffnoise\0" * 20)
    for _ in range(100):
        world.tick()
    assert world.coil, "noise changes nothing"

    world.talking = False
    silent_for_ms = world.run_until("X1", lambda: world.duty_u16 == 65535)
    assert TTL_MS // 2 <= silent_for_ms <= TTL_MS + TICK_MS
    assert 6000 <= world.run_until("the opening", lambda: not world.coil) <= 6400
    assert all(first != second for first, second in itertools.pairwise(world.wave)), "the wave of every tick"
    assert world.hang_up() == (0, "")


def test_the_real_main_opens_when_the_car_is_unplugged(world: TinyWorld) -> None:
    world.station.set_lease(MODE_AC, 16000, TTL_MS, 0)
    world.high_mv = 6000
    world.run_until("the coil", lambda: world.coil)
    world.high_mv = 12000
    assert world.run_until("the opening", lambda: not world.coil) <= 30
    assert world.hang_up() == (0, "")
