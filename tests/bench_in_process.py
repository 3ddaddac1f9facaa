"""World, pilot program and the station's end of the link in one process, on a clock that only run() moves.

The values pass between wires and world as in boards/sim/pilot_main.py and world_main.py: the world's inputs go through the ADC's
scale, the pilot's outputs through the PWM's 16 bits, the link's bytes cross one tick later. What it lacks: real processes,
a real line, and a tick that comes late unless `tick_ms` is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotwire.boards.sim import parameters, pins, signals
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.lease import MODE_AC, MODE_NONE
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import StationLink
from pilotwire.tools.rig.settings import SHORT_PAUSES

Changes = tuple[tuple[int, int], ...]


class Bench:
    """One connector. `pilot_alive` and `station_alive` say who takes part; a dead one is simply no longer called.

    `changes` are what differs from the simulated board's own parameters. By default the contactor need not rest between two
    closings; () leaves the parameters as they are.
    """

    def __init__(
        self, car: Car | None = None, changes: Changes = SHORT_PAUSES, max_ma: int = 32000, pilot_start_ms: int = 0
    ) -> None:
        self.world = World(car)
        self.tick_ms = TICK_MS
        self.pilot_alive = True
        self.station_alive = True
        self.events: list[object] = []
        self.line_to_pilot: Callable[[bytes], bytes] = lambda data: data
        self.line_to_station: Callable[[bytes], bytes] = lambda data: data
        self._changes = ((params.MAX_MA, max_ma), *changes)
        self._pilot_start_ms = pilot_start_ms
        self._boots = 0
        self._sessions = 0
        self._to_pilot = b""
        self.start_pilot()
        self.start_station()

    @property
    def now_ms(self) -> int:
        """The world's clock, which is the station's too."""
        return self.world.now_ms

    def start_pilot(self) -> None:
        """Power up a pilot board: new wires, new boot number."""
        self._boots += 1
        self.wires = Wires()
        block = parameters.build(self._changes)
        self.world.second_contactor = block.fitted(params.SECOND)
        self.pilot = Pilot(FrontEnd(Machine(self.wires)), block, PilotLink(1000 + self._boots, "bench pilot"))
        self.pilot_alive = True
        self._to_pilot = b""

    def start_station(self) -> None:
        """Start a station that permits nothing yet."""
        self._sessions += 1
        self.station = StationLink("bench station", self._sessions)
        self.station_alive = True

    def permit(self, limit_ma: int, ttl_ms: int = 1000, mode: int = MODE_AC, phases: int = 0) -> None:
        """The station grants limit_ma from now on; in MODE_AC 0 withdraws, in the others it permits the 5 % duty without power."""
        if mode == MODE_AC and not limit_ma:
            mode, ttl_ms = MODE_NONE, 0
        self.station.set_lease(mode, limit_ma, ttl_ms, self.now_ms, phases)

    def run(self, ms: int) -> None:
        """Pass time, at least one tick."""
        until = self.now_ms + ms
        while self.now_ms < until:
            self._tick()

    def run_until(self, what: str, condition: Callable[[], object], within_ms: int) -> int:
        """Pass time until condition() holds; returns the world's time. Fails the test when it takes longer than within_ms."""
        until = self.now_ms + within_ms
        while not condition():
            assert self.now_ms < until, f"waited {within_ms} ms of world time in vain for: {what}; {self.world.row()}"
            self._tick()
        return self.now_ms

    def charge(self, limit_ma: int = 16000) -> int:
        """Plug in, permit, wait until current flows; returns the world's time of closing."""
        self.world.car.plug()
        self.permit(limit_ma)
        self.run_until("current flows", lambda: self.world.car.current_a > 5.0, 5000)
        return self.when("contacts_closed", True)

    def when(self, name: str, value: Any, since_ms: int = 0) -> int:
        """World time of the first event `name` = value at or after since_ms; fails the test when there is none."""
        found = self.find(name, value, since_ms)
        assert found is not None, f"no event {name} = {value} since {since_ms} ms: {self.world.events}"
        return found

    def find(self, name: str, value: Any, since_ms: int = 0) -> int | None:
        """As when(), but None when there is no such event."""
        for event in self.world.events:
            if event["name"] == name and event["value"] == value and event["t_ms"] >= since_ms:
                return int(event["t_ms"])
        return None

    def _tick(self) -> None:
        world = self.world
        if self.pilot_alive:
            self._pilot_tick()
        if self.station_alive:
            self.station.tick(world.now_ms)
            self._to_pilot += self.line_to_pilot(self.station.data_to_send())
            while (event := self.station.next_event()) is not None:
                self.events.append(event)
        world.advance(self.tick_ms)

    def _pilot_tick(self) -> None:
        world, wires = self.world, self.wires
        pins.put_inputs(wires, *signals.read(world))
        received, self._to_pilot = self._to_pilot, b""
        out = self.pilot.tick((self._pilot_start_ms + world.now_ms) % TICKS_PERIOD, received)
        signals.write(world, *pins.take_outputs(wires))
        if out and self.station_alive:
            self.station.receive(self.line_to_station(out), world.now_ms)


def drive(world: World, duty: float, close: bool, ms: int, **outputs: int) -> None:
    """A pilot board without a program, only its pins: the alive wave turns every 5 ms, `outputs` are names of signals.Outputs.

    All phases are closed unless `close_phases` says otherwise.
    """
    levels = {"close_phases": int(close), **outputs}
    for _ in range(0, ms, 5):
        world.set_outputs(signals.Outputs(duty, int(close), world.now_ms // 5 % 2, **levels))
        world.advance(5)
