"""The simulated world: mains, contactor, pilot circuit and car on one clock of milliseconds.

Whatever happens follows from voltages and currents; nobody tells the pilot that a car has come. It knows nothing of the
station and goes on when the pilot dies. Events and trace are its memory, and its clock is the one that reaction times are
taken on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.contactor import Contactor

MAINS_V = 230.0
MAINS_OHM = 0.15  # line to neutral, so that the voltage sags under load
TRACE_MS = 100
SAMPLE_MS = 20


class World:
    """One connector's surroundings. Call set_outputs and advance in turn; read inputs in between."""

    def __init__(self, car: Car | None = None) -> None:
        self.now_ms = 0
        self.car = car if car is not None else Car()
        self.contactor = Contactor()
        self.mains = True
        self.duty = 1.0
        self.energy_wh = 0.0
        """Integral of the true power in the circuit, one sample per millisecond."""
        self.events: list[dict[str, Any]] = []
        self.trace: list[dict[str, Any]] = []
        self.on_sample: Callable[[int, tuple[float, ...], tuple[float, ...]], None] | None = None
        self._command = False
        self._last: dict[str, Any] = {}
        self._note()

    def inputs(self) -> tuple[int, int, bool]:
        """Highest and lowest pilot voltage in mV over the last period, and the mirror contact (True = closed)."""
        high, low = self.car.circuit.levels_mv(self.duty)
        return high, low, self.contactor.closed

    def set_outputs(self, duty: float, coil: bool, alive: int) -> None:
        """What the pilot board drives from now on: duty 0..1, coil command, level of the alive wave."""
        self.duty = duty
        self._command = coil
        self.contactor.drive(alive)
        self._note()

    def advance(self, ms: int) -> None:
        """Pass time, one millisecond at a time."""
        for _ in range(ms):
            self.now_ms += 1
            self.contactor.step(self._command)
            voltage_v = self._voltage_v()
            self.car.step(self.duty, voltage_v if self.contactor.closed else 0.0)
            self.energy_wh += self.power_w() / 3_600_000.0
            if self.now_ms % SAMPLE_MS == 0 and self.on_sample is not None:
                self.on_sample(self.now_ms, self.voltages_v(), self.currents_a())
            if self.now_ms % TRACE_MS == 0:
                self.trace.append(self.row())
            self._note()

    def note(self, name: str, value: Any = True) -> None:
        """Write an event of somebody outside the circuit, for example the pilot's silence."""
        self.events.append({"t_ms": self.now_ms, "name": name, "value": value})

    def currents_a(self) -> tuple[float, float, float]:
        """Current per phase."""
        current = self.car.current_a if self.contactor.closed else 0.0
        phases = self.car.phases
        return (current, current if phases > 1 else 0.0, current if phases > 2 else 0.0)

    def voltages_v(self) -> tuple[float, float, float]:
        """Voltage per phase on the supply side of the contactor, where the meter sits."""
        voltage = MAINS_V if self.mains else 0.0
        first, second, third = self.currents_a()
        return (voltage - first * MAINS_OHM, voltage - second * MAINS_OHM, voltage - third * MAINS_OHM)

    def power_w(self) -> float:
        """True power into the car, all phases."""
        return sum(v * a for v, a in zip(self.voltages_v(), self.currents_a(), strict=True))

    def row(self) -> dict[str, Any]:
        """The circuit at this instant, one row of the trace."""
        high, low, closed = self.inputs()
        return {
            "t_ms": self.now_ms,
            "cp_high_mv": high,
            "cp_low_mv": low,
            "duty_permyriad": round(self.duty * 10000),
            "coil": int(self.contactor.coil),
            "closed": int(closed),
            "current_a": [round(a, 3) for a in self.currents_a()],
            "power_w": round(self.power_w(), 1),
            "energy_wh": round(self.energy_wh, 4),
        }

    def _voltage_v(self) -> float:
        return self.voltages_v()[0]

    def _note(self) -> None:
        """Write an event for each quantity that has changed since the last call."""
        last = self._last
        circuit = self.car.circuit
        for name, value in (
            ("duty_permyriad", round(self.duty * 10000)),
            ("coil", self.contactor.coil),
            ("contacts_closed", self.contactor.closed),
            ("plugged", circuit.plugged),
            ("s2_closed", circuit.s2_closed),
        ):
            if last.get(name) != value:
                last[name] = value
                self.note(name, value)
