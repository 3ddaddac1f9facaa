"""Both ends of the link over a line that loses, doubles, delays, reorders, cuts and corrupts; seeded, on a virtual clock."""

from __future__ import annotations

import random

import pytest

from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import PilotState, StationLink

FIELDS = [3, 2, 6000, -12000, 2666, 15996, 1, 1, 950, 0, 64, 17, 32000, 6]


class Pipe:
    """One direction of a bad line. Every kind of damage has the same probability `bad` per frame; 0 is a perfect line."""

    def __init__(self, rng: random.Random, bad: float) -> None:
        self.bad = bad
        self._rng = rng
        self._under_way: list[tuple[int, bytes]] = []

    def send(self, data: bytes, now_ms: int) -> None:
        """Put bytes in; what is lost is lost here."""
        if not data or self._happens():
            return
        for _ in range(2 if self._happens() else 1):
            late_ms = self._rng.randrange(1500) if self._happens() else 0
            self._under_way.append((now_ms + late_ms, self._damaged(data)))

    def receive(self, now_ms: int) -> bytes:
        """What has arrived by now."""
        arrived = [data for due_ms, data in self._under_way if due_ms <= now_ms]
        self._under_way = [item for item in self._under_way if item[0] > now_ms]
        if self._rng.random() < self.bad / 20:  # asked in every tick, wanted about once per frame sent
            arrived.insert(self._rng.randrange(len(arrived) + 1), self._rng.randbytes(self._rng.randrange(1, 400)))
        return b"".join(arrived)

    def _damaged(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        if self._happens():
            damaged[self._rng.randrange(len(damaged))] ^= 1 << self._rng.randrange(8)
        if self._happens():
            del damaged[self._rng.randrange(len(damaged)) :]
        if self._happens():
            damaged += self._rng.randbytes(3)
        return bytes(damaged)

    def _happens(self) -> bool:
        return self._rng.random() < self.bad


class BadLine:
    """Pilot and station with a Pipe each way. Checks after every tick that what arrives has been sent."""

    def __init__(self, seed: int, bad: float) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.down = Pipe(self.rng, bad)
        self.up = Pipe(self.rng, bad)
        self.sent_leases: set[tuple[object, ...]] = set()
        self.sent_states: set[tuple[object, ...]] = set()
        self.leases = 0
        self.states = 0
        self.rejected = 0
        self.last_lease: list[int] = []
        self.wish = (0, 0, 0)
        self.restless = True
        self._said_ms = -1000
        self.start_pilot()
        self.start_station()

    def start_pilot(self) -> None:
        self.boot = self.rng.randrange(1 << 28)
        self.pilot = PilotLink(self.boot, "pilot")

    def start_station(self) -> None:
        self.station = StationLink("station", self.rng.randrange(1, 1 << 28))
        self.station.set_lease(*self.wish, self.now_ms)

    def run(self, ms: int) -> None:
        until = self.now_ms + ms
        while self.now_ms < until:
            self.now_ms += 5
            self._pilot_tick()
            self._station_tick()

    def _pilot_tick(self) -> None:
        pilot = self.pilot
        pilot.pass_time(5)
        pilot.receive(self.down.receive(self.now_ms))
        lease = pilot.take_lease()
        if lease is not None:
            assert (self.boot, *lease[:5]) in self.sent_leases, "a lease that nobody sent to this life of the pilot"
            self.leases += 1
            self.last_lease = lease
        if self.now_ms - self._said_ms >= (messages.PERIOD_MS if pilot.peer_ok else 500):
            self._said_ms = self.now_ms
            if pilot.peer_ok:
                pilot.send_state([self.now_ms, *FIELDS])
            else:
                pilot.send_hello()
        data = pilot.data_to_send()
        self.sent_states.update(tuple(message[1:8]) for message in whole(data) if message[0] == messages.STATE)
        self.up.send(data, self.now_ms)

    def _station_tick(self) -> None:
        station = self.station
        if self.restless and self.rng.random() < 0.01:
            self.wish = self.rng.choice(((0, 0, 0), (1, 16000, 1000), (1, 10000, 1000), (1, 32000, 3000)))
            station.set_lease(*self.wish, self.now_ms)
        if self.rng.random() < 0.002:
            station.clear_faults()
        station.receive(self.up.receive(self.now_ms), self.now_ms)
        if self.now_ms % 20 == 0:
            station.tick(self.now_ms)
        while (event := station.next_event()) is not None:
            if isinstance(event, PilotState):
                self.states += 1
                fields = (event.seq, event.ack, event.boot, event.session, event.pilot_ms, event.pilot, event.phase)
                assert fields in self.sent_states
        data = station.data_to_send()
        for message in whole(data):
            if message[0] == messages.LEASE:
                _, _, _, boot, _, pilot_ms, mode, limit_ma, ttl_ms, phases, requests = message
                assert (mode, limit_ma, ttl_ms) == self.wish
                assert requests in (0, 1)
                self.sent_leases.add((boot, mode, limit_ma, ttl_ms, phases, pilot_ms))
        self.down.send(data, self.now_ms)


def whole(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


@pytest.mark.parametrize("bad", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(6))
def test_over_a_bad_line_nothing_is_invented_and_a_good_line_heals_everything(seed: int, bad: float) -> None:
    line = BadLine(seed, bad)
    for _ in range(12):
        line.run(line.rng.randrange(1000, 8000))
        what = line.rng.randrange(4)
        if what == 0:
            line.start_pilot()
        elif what == 1:
            line.start_station()
    assert line.leases > 10
    assert line.states > 20
    assert line.pilot.rejected + line.station.rejected > 0

    line.up.bad = line.down.bad = 0.0
    line.run(1500)  # what is still under way arrives
    line.restless = False
    line.run(1000)
    assert line.station.online
    assert tuple(line.last_lease[:3]) == line.wish
    assert line.last_lease[4] > line.now_ms - 110
    line.leases = line.states = 0
    rejected = line.pilot.rejected, line.station.rejected
    line.run(1000)
    assert line.leases >= 10
    assert line.states == 10
    assert (line.pilot.rejected, line.station.rejected) == rejected


def test_a_line_that_is_cut_and_mended_again_and_again_heals_each_time() -> None:
    line = BadLine(seed=99, bad=0.0)
    for _ in range(20):
        line.up.bad = line.down.bad = 1.0
        line.run(line.rng.randrange(100, 2000))
        line.up.bad = line.down.bad = 0.0
        line.run(2000)
        line.leases = 0
        line.run(500)
        assert line.station.online
        assert line.leases >= 5


def test_one_deaf_direction_gives_no_lease_at_all() -> None:
    line = BadLine(seed=5, bad=0.0)
    line.wish = (1, 16000, 1000)
    line.station.set_lease(*line.wish, 0)
    line.run(1000)
    line.up.bad = 1.0  # the station hears nothing any more
    line.run(500)
    line.leases = 0
    line.run(10_000)
    assert line.leases == 0
    assert not line.station.online
