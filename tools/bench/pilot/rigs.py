"""One connector whose world this process owns: circuit, car and station on a clock of milliseconds, and a pilot at the pins.

The same World, the same link and the same pilot files everywhere; what differs is who runs the pilot and what the clock follows:

* InProcess: the pilot program under CPython, called at its ticks on a virtual clock;
* child.py: the pilot program in a child process, on the virtual clock or in real time.

A tick falls on the multiples of TICK_MS of the world's clock; a stimulus may come at any millisecond in between.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

from pilotwire.boards.sim import parameters, pins, signals
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.lease import MODE_AC, MODE_NONE
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import PilotHello, PilotState, StationLink
from pilotwire.tools.bench.pilot import aged as aging
from pilotwire.tools.rig.process import RigError

COARSE_TICK_MS = 35  # below the 40 ms after which a pilot has lost control, and a multiple of its tick
TTL_MS = 1000


class Rig:
    """What scenes work with. A subclass says how one tick of the pilot is done."""

    def __init__(self, rng: random.Random, changes: tuple[tuple[int, int], ...], aged: bool = False) -> None:
        """`aged`: the pilot is the one of aged.py."""
        self.world = World()
        self.world.second_contactor = parameters.build(changes).fitted(params.SECOND)
        self.rng = rng
        self.tick_ms = TICK_MS
        self.station = StationLink("timing bench", 1)
        self.station_alive = True
        self.pilot_alive = True
        self.program = ""
        self.bcb_sent = 0
        self._bcb_sequences: int | None = None
        self._due_ms = 0  # the pilot's next tick on the world's clock
        self._aged = aged
        self._ages = 0  # what the pilot is told in its next tick: bits of aged.py

    @property
    def now_ms(self) -> int:
        """The world's clock."""
        return self.world.now_ms

    def run(self, ms: int) -> None:
        """Pass exactly so much time; ticks of the pilot fall where they fall."""
        until = self.now_ms + ms
        while self.now_ms < until:
            self._step(until)

    def run_coarse(self, ms: int) -> None:
        """Pass time in which nothing is expected: on a virtual clock the pilot is called every COARSE_TICK_MS only."""
        tick_ms = self.tick_ms
        self.set_tick(COARSE_TICK_MS)
        self.run(ms)
        self.set_tick(tick_ms)

    def set_tick(self, tick_ms: int) -> None:
        """How often the pilot is called from now on. Its ticks stay on multiples of TICK_MS."""
        self.tick_ms = tick_ms
        self._due_ms = min(self._due_ms, -(-self.now_ms // TICK_MS) * TICK_MS)

    def run_until(self, what: str, condition: Callable[[], object], within_ms: int) -> None:
        """Pass time in ticks until condition() holds; raises RigError when it does not come true."""
        until = self.now_ms + within_ms
        while not condition():
            if self.now_ms >= until:
                raise RigError(f"waited {within_ms} ms of the world's time in vain for: {what}; {self.world.row()}")
            self._step(until)

    def permit(self, limit_ma: int, mode: int = MODE_AC, phases: int = 0) -> None:
        """The station permits limit_ma from now on."""
        self.station.set_lease(mode, limit_ma, TTL_MS, self.now_ms, phases)

    def withdraw(self) -> None:
        """The station permits nothing any more."""
        self.station.set_lease(MODE_NONE, 0, 0, self.now_ms)

    def freeze(self) -> None:
        """The pilot program stands still from now on."""
        self.pilot_alive = False

    def age_self_test(self) -> None:
        """Leave out SELF_TEST_SKIPPED_MS of the 24 h for which the last self-test is good."""
        self._age(aging.AGE_SELF_TEST)

    def age_faults(self) -> None:
        """Leave out FAULTS_SKIPPED_MS of the time for which the causes of standing faults must be away."""
        self._age(aging.AGE_FAULTS)

    def close(self) -> None:
        """End whatever belongs to this rig."""

    def _age(self, what: int) -> None:
        if not self._aged:
            raise RigError("this pilot's timers cannot be moved on: the scene does not say that it ages")
        self._ages |= what

    def _stamp(self) -> int:
        """The tick as the pilot is told it, once."""
        ages, self._ages = self._ages, 0
        return self.now_ms % TICKS_PERIOD | ages

    def _listen(self) -> None:
        """Take what the station has heard, and write down each BCB toggle: it is seen on the link only."""
        while (event := self.station.next_event()) is not None:
            if isinstance(event, PilotHello):
                self.program = event.program
            if isinstance(event, PilotState) and event.bcb_sequences != self._bcb_sequences:
                if self._bcb_sequences is not None:
                    self.world.note("bcb_surplus", event.bcb_pulses - self.bcb_sent)
                self._bcb_sequences = event.bcb_sequences

    def _step(self, until_ms: int) -> None:
        """One tick if it is due, then time up to the next tick or until_ms."""
        if self.now_ms >= self._due_ms:
            self._due_ms += self.tick_ms
            if self.pilot_alive:
                self._tick()
            if self.station_alive:
                self._talk()
        self.world.advance(min(self._due_ms, until_ms) - self.now_ms)

    def _tick(self) -> None:
        raise NotImplementedError

    def _talk(self) -> None:
        raise NotImplementedError


class InProcess(Rig):
    """The pilot program under CPython. The bytes of the link cross at the next tick."""

    def __init__(self, rng: random.Random, changes: tuple[tuple[int, int], ...], aged: bool = False) -> None:
        super().__init__(rng, changes, aged)
        self._wires = Wires()
        self._pilot = (aging.AgedPilot if aged else Pilot)(
            FrontEnd(Machine(self._wires)), parameters.build(changes), PilotLink(1, "timing bench")
        )
        self._to_pilot = b""
        self._to_station = b""

    def branch(self, rng: random.Random) -> InProcess:
        """An independent copy of everything, at this instant: many samples share one preparation."""
        other = copy.deepcopy(self)
        other.rng = rng
        return other

    def _tick(self) -> None:
        adc_u16, levels = signals.read(self.world)
        pins.put_inputs(self._wires, adc_u16, levels)
        received, self._to_pilot = self._to_pilot, b""
        self._to_station += self._pilot.tick(self._stamp(), received)
        signals.write(self.world, *pins.take_outputs(self._wires))

    def _talk(self) -> None:
        received, self._to_station = self._to_station, b""
        if received:
            self.station.receive(received, self.now_ms)
        self.station.tick(self.now_ms)
        self._to_pilot += self.station.data_to_send()
        self._listen()
