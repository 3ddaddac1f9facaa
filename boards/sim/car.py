"""A car for AC basic charging: pilot wire, S2, on-board charger with ramps, battery with taper.

It knows only what a car knows: the pilot signal on its inlet and the mains behind the contactor. Its reading of the duty
cycle is its own (no code shared with the station), so that a mistake there shows here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pilotwire.boards.sim.circuit import EvCircuit

STEP_S = 0.001
PWM_SEEN_MS = 500  # the car wants to see PWM this long before it closes S2
X1_S2_OPEN_MS = 2500  # and opens S2 this long after PWM has gone (the standard allows 3 s)


def advertised_a(duty: float) -> float:
    """Amperes a car may draw at this duty (0..1); 0 means no charging."""
    percent = duty * 100.0
    if percent < 8.0 or percent > 97.0:
        return 0.0
    if percent < 10.0:
        return 6.0
    if percent <= 85.0:
        return percent * 0.6
    if percent <= 96.0:
        return (percent - 64.0) * 2.5
    return 80.0


@dataclass(slots=True)
class Car:
    """One simulated car. All currents in amperes per phase, energies in watt-hours, step() is one millisecond."""

    phases: int = 3
    charger_a: float = 32.0
    capacity_wh: float = 52_000.0
    stored_wh: float = 20_000.0
    wants_charge: bool = True
    obeys_x1: bool = True
    ramp_up_a_s: float = 16.0
    ramp_down_a_s: float = 32.0
    time_scale: float = 1.0
    circuit: EvCircuit = field(default_factory=EvCircuit)
    current_a: float = 0.0
    _pwm_ms: int = 0
    _no_pwm_ms: int = 0

    @property
    def soc(self) -> float:
        """State of charge, 0..1."""
        return self.stored_wh / self.capacity_wh

    def plug(self) -> None:
        """The driver plugs the cable in."""
        self.circuit.plugged = True
        self._pwm_ms = 0
        self._no_pwm_ms = 0

    def unplug(self) -> None:
        """The driver pulls the cable, S2 opens with it."""
        self.circuit.plugged = False
        self.circuit.s2_closed = False
        self.current_a = 0.0

    def step(self, duty: float, mains_v: float) -> None:
        """Pass one millisecond with this duty on the pilot and this voltage behind the contactor."""
        circuit = self.circuit
        if not circuit.plugged:
            return
        limit_a = advertised_a(duty) if 0.0 < duty < 1.0 else 0.0
        if limit_a > 0.0:
            self._pwm_ms += 1
            self._no_pwm_ms = 0
        else:
            self._pwm_ms = 0
            self._no_pwm_ms += 1
        self._switch_s2()
        self._draw(self._target_a(limit_a), mains_v)

    def _switch_s2(self) -> None:
        circuit = self.circuit
        full = self.stored_wh >= self.capacity_wh
        if not circuit.s2_closed:
            circuit.s2_closed = self.wants_charge and not full and self._pwm_ms >= PWM_SEEN_MS
            return
        done = not self.wants_charge or full
        told_to_stop = self.obeys_x1 and self._no_pwm_ms >= X1_S2_OPEN_MS
        if (done or told_to_stop) and self.current_a == 0.0:
            circuit.s2_closed = False

    def _target_a(self, limit_a: float) -> float:
        if not self.wants_charge or not self.circuit.s2_closed:
            return 0.0
        if limit_a == 0.0:
            return 0.0 if self.obeys_x1 else self.current_a
        taper_a = self.charger_a * max(0.05, (1.0 - self.soc) / 0.2) if self.soc > 0.8 else self.charger_a
        target_a = min(limit_a, self.charger_a, taper_a)
        return target_a if self.stored_wh < self.capacity_wh else 0.0

    def _draw(self, target_a: float, mains_v: float) -> None:
        if mains_v <= 0.0:
            self.current_a = 0.0
            return
        if self.current_a < target_a:
            self.current_a = min(target_a, self.current_a + self.ramp_up_a_s * STEP_S)
        elif self.current_a > target_a:
            self.current_a = max(target_a, self.current_a - self.ramp_down_a_s * STEP_S)
        power_w = mains_v * self.current_a * self.phases
        self.stored_wh = min(self.capacity_wh, self.stored_wh + self.time_scale * 0.92 * power_w * STEP_S / 3600.0)
