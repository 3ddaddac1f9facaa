"""Link faults against the whole pilot: real kernel and front end, the simulated circuit, both real ends of the link.

What counts is the contactor, judged from outside: a watcher keeps its own account of every LEASE that reached the pilot whole
and in order, by the rules of docs/link.md and none of the program's code, and any instant in which the coil is driven without a
lease that permits it is a breach. What is not here: a real line (test_link_conformance.py has one).
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import pytest

from bench_in_process import Bench
from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import params
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import cobs, frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import StationLink

STOP_MS = 3200
"""From the end of the lease to the open contactor, with a car that obeys: it is given 3 s to stop (X1) before the load is cut."""
BACK_MS = 25_000
"""Within so much time after the line is good again current flows: the pause of 5 s after a stop, the car's own answers, and 10 s
for which a wrong sequence number may keep the right ones out."""
Fault = Callable[["Campaign", bytes], list[tuple[int, bytes]]]


class Seen(NamedTuple):
    """A LEASE that has reached the pilot."""

    until_ms: int
    limit_ma: int


class Watcher:
    """Reads what goes into the pilot, byte by byte, and says whether a lease is in force."""

    def __init__(self) -> None:
        self.lease = Seen(0, 0)
        self.last_ms = 0
        self._reader = frame.FrameReader()

    def hear(self, data: bytes, bench: Bench) -> None:
        """What the pilot is given in this tick."""
        link = bench.pilot.link
        for message in self._reader.receive(data):
            if message[0] != messages.LEASE or not messages.is_valid(message):
                continue
            _, _, _, boot, session, issued_ms, mode, limit_ma, ttl_ms = (int(str(item)) for item in message[:9])
            if boot != link.boot or session != bench.station.session:
                continue
            # More than any lease can be worth: the longest time to live that the kernel accepts, and no order of arrival.
            until_ms = issued_ms + min(ttl_ms, MOST_TTL_MS) if mode == 1 and limit_ma >= 6000 else 0
            self.lease = Seen(max(self.lease.until_ms, until_ms), limit_ma)

    def reset(self) -> None:
        """The pilot has started again."""
        self.lease = Seen(0, 0)
        self._reader = frame.FrameReader()


MOST_TTL_MS = parameters.build(()).value[params.TTL_MS]


class Campaign:
    """A bench whose lines are spoilt in one way. Each tick is checked."""

    def __init__(self, seed: int, fault: Fault) -> None:
        self.rng = random.Random(seed)
        self.fault = fault
        self.bad = False
        self.bench = Bench()
        self.watcher = Watcher()
        self.spoilt = 0
        self._held: dict[str, list[tuple[int, bytes]]] = {"down": [], "up": []}
        self.bench.line_to_pilot = lambda data: self._carry("down", data)
        self.bench.line_to_station = lambda data: self._carry("up", data)

    def _carry(self, way: str, data: bytes) -> bytes:
        now_ms, held = self.bench.now_ms, self._held[way]
        if data and self.bad:
            parts = self.fault(self, data)
            self.spoilt += parts != [(0, data)]
            held += [(now_ms + late_ms, part) for late_ms, part in parts]
        elif data:
            held.append((now_ms, data))
        out = b"".join(part for due_ms, part in held if due_ms <= now_ms)
        self._held[way] = [item for item in held if item[0] > now_ms]
        if way == "down":
            self.watcher.hear(out, self.bench)
        return out

    def run(self, ms: int) -> None:
        until_ms = self.bench.now_ms + ms
        while self.bench.now_ms < until_ms:
            was_closed = self.bench.pilot.kernel.close
            self.bench.run(5)
            kernel = self.bench.pilot.kernel
            now_ms = self.bench.now_ms
            if kernel.close and not was_closed:
                assert now_ms <= self.watcher.lease.until_ms + 10, f"closed at {now_ms} ms without a lease"
            if kernel.close:
                assert now_ms <= self.watcher.lease.until_ms + STOP_MS, f"still closed at {now_ms} ms without a lease"

    def heal(self) -> None:
        """A good line again: current must flow."""
        self.bad = False
        self.run(2000)  # what is held back arrives
        self.bench.permit(16000)
        self.bench.run_until("current flows again", lambda: self.bench.world.car.current_a > 5.0, BACK_MS)

    def reset_pilot(self) -> None:
        self.bench.start_pilot()
        self.watcher.reset()

    def reset_station(self) -> None:
        self.bench.start_station()
        self.bench.permit(16000)


def drop(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [] if c.rng.random() < 0.5 else [(0, data)]


def duplicate(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [(c.rng.choice((0, 5, 100, 700)), data) for _ in range(c.rng.randrange(1, 6))]


def reorder(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [(c.rng.choice((0, 0, 50, 250, 450)), data)]


def corrupt(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    out = bytearray(data)
    for _ in range(c.rng.randrange(4)):
        out[c.rng.randrange(len(out))] ^= 1 << c.rng.randrange(8)
    return [(0, bytes(out))]


def corrupt_and_reseal(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    """Wrong numbers in a whole frame: a bug at either end. What stays by design is left out: NARROW, and requests."""
    (message, *_) = frame.FrameReader().receive(data) or [[]]
    if not message or message[0] in (messages.HELLO, messages.NARROW) or c.rng.random() < 0.3:
        return [(0, data)]
    message = [*message]
    message[c.rng.randrange(10)] = c.rng.choice((0, 1, -1, 255, 65535, 1 << 29, -(1 << 29), 7, b"x", "y", [1]))
    return [(0, frame.encode(message))]


def truncate(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [(0, data[: c.rng.randrange(len(data) + 1)])]


def delay(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [(c.rng.randrange(0, 3000, 5), data)]


def noise(c: Campaign, data: bytes) -> list[tuple[int, bytes]]:
    return [(0, c.rng.randbytes(c.rng.randrange(200))), (0, data), (5, c.rng.randbytes(c.rng.randrange(600)))]


def silence(_: Campaign, __: bytes) -> list[tuple[int, bytes]]:
    return []


FAULTS = (drop, duplicate, reorder, corrupt, corrupt_and_reseal, truncate, delay, noise, silence)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_whatever_the_line_does_no_close_is_without_a_lease_and_a_good_line_brings_current_back(
    fault: Fault, seed: int
) -> None:
    c = Campaign(seed, fault)
    c.bench.charge()
    for _ in range(3):
        c.bad = True
        for _ in range(12):
            c.bench.permit(c.rng.choice((0, 6000, 16000, 32000)), ttl_ms=c.rng.choice((500, 1000, 3000)))
            c.run(c.rng.randrange(100, 2500))
        c.heal()
    assert c.spoilt > 20


@pytest.mark.parametrize("way", ["line_to_pilot", "line_to_station"])
def test_a_half_open_line_ends_in_an_open_contactor_and_comes_back(way: str) -> None:
    c = Campaign(1, silence)
    c.bench.charge()
    good = getattr(c.bench, way)
    for _ in range(3):
        setattr(c.bench, way, lambda data: b"")
        c.run(1000 + STOP_MS + 1000)
        assert not c.bench.pilot.kernel.close
        setattr(c.bench, way, good)
        c.heal()


@pytest.mark.parametrize("seed", range(4))
def test_resets_of_either_side_at_any_time_on_a_bad_line(seed: int) -> None:
    c = Campaign(seed, delay)
    c.bench.charge()
    for _ in range(12):
        c.bad = c.rng.random() < 0.5
        c.run(c.rng.randrange(5, 3000))
        (c.reset_pilot if c.rng.random() < 0.5 else c.reset_station)()
    c.heal()


def test_a_station_of_another_version_is_given_nothing_and_the_right_one_everything() -> None:
    c = Campaign(1, silence)

    def other_version(data: bytes) -> bytes:
        (hello, *_) = frame.FrameReader().receive(data) or [[]]
        if hello and hello[0] == messages.HELLO:
            hello[2] = messages.VERSION + 1
            return frame.encode(hello)
        return data

    good = c.bench.line_to_pilot
    c.bench.line_to_pilot = lambda data: good(other_version(data))
    c.bench.world.car.plug()
    c.bench.permit(16000)
    c.run(5000)
    assert not c.bench.pilot.kernel.close
    c.bench.line_to_pilot = good
    c.heal()


def test_two_stations_at_once_and_the_pilot_obeys_one() -> None:
    c = Campaign(1, silence)
    c.bench.charge(10000)
    second = StationLink("the second station", 999)
    second.set_lease(1, 32000, 3000, 0)
    bench, heard = c.bench, bytearray()
    good_down, good_up = bench.line_to_pilot, bench.line_to_station

    def down(data: bytes) -> bytes:
        second.tick(bench.now_ms)
        return good_down(data) + second.data_to_send()

    def up(data: bytes) -> bytes:
        heard.extend(data)
        second.receive(data, bench.now_ms)
        return good_up(data)

    bench.line_to_pilot, bench.line_to_station = down, up
    for _ in range(1000):
        c.run(5)
        assert bench.pilot.kernel.limit_ma <= 10000
    assert not second.online
    assert bench.station.online
    assert heard


def random_bytes(rng: random.Random) -> bytes:
    """Noise of every kind: bytes, stuffed bytes, whole frames of random arrays, pieces of real frames."""
    kind = rng.randrange(8)
    if kind < 4:
        return rng.randbytes(rng.randrange(1, 24))
    if kind < 6:
        return bytes(cobs.encode(rng.randbytes(rng.randrange(1, 24)))) + b"\0"
    items = [rng.choice((rng.randrange(-9, 30), rng.randrange(1 << 29), rng.randbytes(3), "text", True, [1, 2]))]
    items += [rng.randrange(-2, 10) for _ in range(rng.randrange(21))]
    if kind == 6:
        items[0] = rng.randrange(7)
    return frame.encode(items)


STRINGS = 1_000_000


def test_a_million_random_byte_strings_close_nothing_raise_nothing_and_leave_no_memory_behind() -> None:
    rng = random.Random(2026)
    pilot = Pilot(FrontEnd(Machine(Wires())), parameters.build(()), PilotLink(77, "pilot"))
    station = StationLink("station", 5)
    pool = [random_bytes(rng) for _ in range(20_000)]
    strings, now_ms, grown = 0, 0, []
    tracemalloc.start()
    while strings < STRINGS:
        batch = rng.choices(pool, k=50)
        strings += len(batch)
        now_ms += 5
        data = b"".join(batch)
        pilot.tick(now_ms % (1 << 30), data)
        assert not pilot.kernel.close
        station.receive(data, now_ms)
        station.tick(now_ms)
        station.data_to_send()
        while station.next_event() is not None:
            pass
        if strings % 250_000 == 0:
            grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert grown[-1] - grown[0] < 4096, grown
    assert pilot.link.rejected > STRINGS // 4
    assert pilot.kernel.cycles == 0
