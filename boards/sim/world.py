"""The simulated world: mains, contactors, socket, pilot circuit, guards and car on one clock of milliseconds.

Whatever happens follows from voltages and currents; nobody tells the pilot that a car has come. It knows nothing of the
station and goes on when the pilot dies. Events and trace are its memory, and its clock is the one that reaction times are
taken on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotwire.boards.sim.cable import Cable
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.circuit import source_levels_mv
from pilotwire.boards.sim.contactor import ChargePump, Contactor
from pilotwire.boards.sim.lock import SocketLock
from pilotwire.boards.sim.residual import ResidualDevice
from pilotwire.boards.sim.sensors import CurrentTransformer, TemperatureSensor
from pilotwire.boards.sim.signals import Outputs, Readings
from pilotwire.boards.sim.supply import DcSupply

MAINS_V = 230.0
MAINS_OHM = 0.15  # line to neutral, so that the voltage sags under load
TRACE_MS = 100
SAMPLE_MS = 20

Phases = tuple[float, float, float]

EVENTS = (
    "duty_permyriad",
    "close",
    "coil",
    "contacts_closed",
    "close_phases",
    "coil_phases",
    "phases_closed",
    "supply_enable",
    "cp_off",
    "plugged",
    "s2_closed",
    "cable_in_socket",
    "lock",
    "lock_closed",
    "vent",
    "rcd_test",
    "rcd_dc",
    "rcd_ac",
    "earth_ok",
    "pen_lost",
    "stop_pressed",
)
"""Quantities whose every change is an event, in the order of World._state()."""


class World:
    """One connector's surroundings. Call set_outputs and advance in turn; read inputs in between."""

    def __init__(self, car: Car | None = None) -> None:
        self.now_ms = 0
        self.car = car if car is not None else Car()
        self.cable = Cable()
        self.lock = SocketLock()
        self.pump = ChargePump()
        self.contactor = Contactor()
        """L1 and N; all poles without a second one."""
        self.second = Contactor()
        """L2 and L3."""
        self.residual = ResidualDevice()
        self.supply = DcSupply()
        self.transformer = CurrentTransformer()
        self.plug_sensor = TemperatureSensor()
        self.board_sensor = TemperatureSensor()
        self.second_contactor = True
        self.mains = True
        self.earth_ok = True
        self.pen_lost = False
        self.stop_pressed = False
        self.outputs = Outputs()
        self.energy_wh = 0.0
        """Integral of the true AC power in the circuit, one sample per millisecond."""
        self.events: list[dict[str, Any]] = []
        self.trace: list[dict[str, Any]] = []
        self.on_sample: Callable[[int, Phases, Phases], None] | None = None
        self._last: tuple[Any, ...] = ()
        self._note_changes()

    @property
    def duty(self) -> float:
        """Duty of the pilot signal, 0..1."""
        return self.outputs.duty

    def inputs(self) -> Readings:
        """What the pilot board may see now; of the control pilot the highest and lowest voltage over the last period."""
        self.cable.step(self.car.circuit.plugged, self.lock.holds)
        high_mv, low_mv = self._pilot_mv()
        return Readings(
            high_mv,
            low_mv,
            self.cable.proximity_ohm(),
            self.transformer.current_ma(max(*self.currents_a(), self.supply.current_a)),
            self.plug_sensor.ddeg(),
            self.board_sensor.ddeg(),
            self.contactor.reported,
            self.second.reported,
            self.lock.closed,
            self.residual.dc.tripped,
            self.residual.ac.tripped,
            self.earth_ok,
            self.pen_lost,
            self.stop_pressed,
        )

    def set_outputs(self, outputs: Outputs) -> None:
        """What the pilot board drives from now on."""
        self.outputs = outputs
        self.pump.drive(outputs.alive)
        self._note_changes()

    def plug(self) -> bool:
        """The driver plugs both ends in; False when the lock's bolt is in the way."""
        if self.lock.holds and not self.cable.in_socket:
            return False
        self.car.plug()
        self._note_changes()
        return True

    def unplug(self) -> None:
        """The driver pulls the cable at the car; the other end comes out of the socket as soon as the lock lets it."""
        self.car.unplug()
        self._note_changes()

    def pull(self) -> bool:
        """The driver pulls the cable out of the socket; False when the lock holds it."""
        if self.lock.holds:
            return False
        self.cable.left = False
        self.unplug()
        return True

    def advance(self, ms: int) -> None:
        """Pass time, one millisecond at a time."""
        outputs, car = self.outputs, self.car
        moving: tuple[
            bool, ...
        ] = ()  # after the first millisecond everything is looked at: it may have been set meanwhile
        duty = None if outputs.cp_off else outputs.duty
        for _ in range(ms):
            self.now_ms += 1
            self._switch()
            closed = self.contactor.closed
            self.lock.step(bool(outputs.lock))
            car.step(duty, self.voltages_v()[0] if closed else 0.0, 3 if self._phases_closed() else 1)
            self.supply.step(bool(outputs.supply_enable), closed and car.circuit.plugged and car.circuit.s2_closed)
            if closed and car.current_a:
                self.energy_wh += self.power_w() / 3_600_000.0
            if self.now_ms % SAMPLE_MS == 0 and self.on_sample is not None:
                self.on_sample(self.now_ms, self.voltages_v(), self.currents_a())
            if self.now_ms % TRACE_MS == 0:
                self.trace.append(self.row())
            if (now := self._moving()) != moving:
                moving = now
                self._note_changes()

    def note(self, name: str, value: Any = True) -> None:
        """Write an event of somebody outside the circuit, for example the pilot's silence."""
        self.events.append({"t_ms": self.now_ms, "name": name, "value": value})

    def currents_a(self) -> Phases:
        """Alternating current per phase."""
        current_a = self.car.current_a if self.contactor.closed else 0.0
        if current_a == 0.0:
            return (0.0, 0.0, 0.0)
        phases = self.car.phases if self._phases_closed() else 1
        return (current_a, current_a if phases > 1 else 0.0, current_a if phases > 2 else 0.0)

    def voltages_v(self) -> Phases:
        """Voltage per phase on the supply side of the contactor, where the meter sits."""
        voltage = MAINS_V if self.mains else 0.0
        first, second, third = self.currents_a()
        return (voltage - first * MAINS_OHM, voltage - second * MAINS_OHM, voltage - third * MAINS_OHM)

    def power_w(self) -> float:
        """True AC power into the car, all phases."""
        currents = self.currents_a()
        if currents[0] == 0.0:
            return 0.0
        return sum(v * a for v, a in zip(self.voltages_v(), currents, strict=True))

    def row(self) -> dict[str, Any]:
        """The circuit at this instant, one row of the trace."""
        high_mv, low_mv = self._pilot_mv()
        return {
            "t_ms": self.now_ms,
            "cp_high_mv": high_mv,
            "cp_low_mv": low_mv,
            "duty_permyriad": round(self.duty * 10000),
            "coil": int(self.contactor.coil),
            "closed": int(self.contactor.closed),
            "phases_closed": int(self._phases_closed()),
            "pp_ohm": self.cable.proximity_ohm(),
            "lock_closed": int(self.lock.closed),
            "current_a": [round(a, 3) for a in self.currents_a()],
            "dc_a": round(self.supply.current_a, 3),
            "power_w": round(self.power_w(), 1),
            "energy_wh": round(self.energy_wh, 4),
        }

    def _pilot_mv(self) -> tuple[int, int]:
        if self.outputs.cp_off:
            return source_levels_mv(self.outputs.duty)
        return self.car.circuit.levels_mv(self.outputs.duty)

    def _phases_closed(self) -> bool:
        return self.second.closed if self.second_contactor else self.contactor.closed

    def _switch(self) -> None:
        """Pass a millisecond in everything that moves contacts, and note what current they have broken."""
        outputs, contactor, second = self.outputs, self.contactor, self.second
        self.residual.step(bool(outputs.rcd_test), contactor.closed)
        powered = self.pump.step() and not self.residual.tripped
        was_closed, phases_were = contactor.closed, second.closed
        broken_a = max(self.car.current_a, self.supply.current_a)
        contactor.step(powered and bool(outputs.close))
        second.step(powered and bool(outputs.close_phases))
        if was_closed and not contactor.closed:
            self.note("broken_a", round(broken_a, 3))
        elif phases_were and not second.closed and was_closed:
            self.note("phases_broken_a", round(self.car.current_a if self.car.phases > 1 else 0.0, 3))
        self.cable.step(self.car.circuit.plugged, self.lock.holds)

    def _moving(self) -> tuple[bool, ...]:
        """What may change from one millisecond to the next by itself; all else is set from outside."""
        contactor, second, residual = self.contactor, self.second, self.residual
        return (
            contactor.coil,
            contactor.closed,
            second.coil,
            second.closed,
            self.lock.closed,
            residual.dc.tripped,
            residual.ac.tripped,
            self.car.circuit.s2_closed,
            self.cable.in_socket,
        )

    def _state(self) -> tuple[Any, ...]:
        outputs, circuit = self.outputs, self.car.circuit
        return (
            round(outputs.duty * 10000),
            bool(outputs.close),
            self.contactor.coil,
            self.contactor.closed,
            bool(outputs.close_phases),
            self.second.coil,
            self.second.closed,
            bool(outputs.supply_enable),
            bool(outputs.cp_off),
            circuit.plugged,
            circuit.s2_closed,
            self.cable.in_socket,
            bool(outputs.lock),
            self.lock.closed,
            bool(outputs.vent),
            bool(outputs.rcd_test),
            self.residual.dc.tripped,
            self.residual.ac.tripped,
            self.earth_ok,
            self.pen_lost,
            self.stop_pressed,
        )

    def _note_changes(self) -> None:
        """Write an event for each quantity that has changed since the last call."""
        state = self._state()
        if state == self._last:
            return
        before = self._last or (None,) * len(EVENTS)
        self._last = state
        for name, value, old in zip(EVENTS, state, before, strict=True):
            if value != old:
                self.note(name, value)
