"""A car for AC charging: pilot wire, S2, on-board charger with ramps, battery with taper; and the odd ways cars have.

It knows only what a car knows: the pilot signal on its inlet and the mains behind the contactor. Its reading of the duty
cycle is its own (no code shared with the station), so that a mistake there shows here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pilotwire.boards.sim.circuit import EvCircuit

STEP_S = 0.001
PWM_SEEN_MS = 500  # the car wants to see PWM this long before it closes S2
X1_S2_OPEN_MS = 2500  # and opens S2 this long after PWM has gone (the standard allows 3 s)
WAKE_MS = 3000  # a sleeping car wakes up when the pilot has been interrupted this long


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
    ramp_up_a_s: float = 16.0
    ramp_down_a_s: float = 32.0
    time_scale: float = 1.0

    obeys_x1: bool = True
    obeys_lower: bool = True
    """False: a limit that has been lowered is ignored until the next plug."""
    over_a: float = 0.0
    """Drawn above what is advertised, as far as the charger can."""
    simplified: bool = False
    """No S2: state C from plug to unplug (simplified pilot)."""
    sleeps: bool = False
    """Asks for power only after the pilot has been interrupted for WAKE_MS since the plug."""
    abrupt: bool = False
    """Opens S2 at once, under load, where others ramp down first."""
    digital: bool = False
    """Takes 5 % as an invitation, as if a digital communication had been set up; digital_a is what that has agreed."""
    digital_a: float = 0.0

    circuit: EvCircuit = field(default_factory=EvCircuit)
    current_a: float = 0.0
    _pwm_ms: int = 0
    _no_pwm_ms: int = 0
    _dark_ms: int = 0
    _woken: bool = False
    _highest_a: float = 0.0
    _script: deque[tuple[bool, int]] = field(default_factory=deque)

    @property
    def soc(self) -> float:
        """State of charge, 0..1."""
        return self.stored_wh / self.capacity_wh

    def plug(self) -> None:
        """The driver plugs the cable in."""
        self.circuit.plugged = True
        self.circuit.s2_closed = self.simplified
        self._pwm_ms = 0
        self._no_pwm_ms = 0
        self._dark_ms = 0
        self._woken = False
        self._highest_a = 0.0

    def unplug(self) -> None:
        """The driver pulls the cable at the car, S2 opens with it."""
        self.circuit.plugged = False
        self.circuit.s2_closed = False
        self.current_a = 0.0
        self._script.clear()

    def toggle(self, pulses: int, pulse_ms: int, gap_ms: int) -> None:
        """Close S2 for `pulses` pulses from now on (B, C, B: the BCB toggle), without drawing current."""
        self._script.clear()
        self._script.extend([(True, pulse_ms), (False, gap_ms)] * pulses)

    def step(self, duty: float | None, mains_v: float, live_phases: int = 3) -> None:
        """Pass one millisecond with this duty on the pilot and this voltage behind the contactor, on so many phases.

        `duty` is None while the station has cut the wire off.
        """
        circuit = self.circuit
        if not circuit.plugged:
            return
        signal = duty if duty is not None and not circuit.shorted else 0.0
        limit_a = advertised_a(signal) if 0.0 < signal < 1.0 else 0.0
        by_wire = self.digital and 0.03 <= signal <= 0.07
        if limit_a > 0.0 or by_wire:
            self._pwm_ms += 1
            self._no_pwm_ms = 0
        else:
            self._pwm_ms = 0
            self._no_pwm_ms += 1
        self._dark_ms = self._dark_ms + 1 if signal <= 0.0 else 0
        self._woken = self._woken or self._dark_ms >= WAKE_MS
        self._switch_s2()
        self._draw(self._target_a(self.digital_a if by_wire else limit_a, by_wire), mains_v, live_phases)

    def _switch_s2(self) -> None:
        circuit = self.circuit
        if self._script:
            circuit.s2_closed, left_ms = self._script.popleft()
            if left_ms > 1:
                self._script.appendleft((circuit.s2_closed, left_ms - 1))
            return
        if self.simplified:
            circuit.s2_closed = True
            return
        full = self.stored_wh >= self.capacity_wh
        if not circuit.s2_closed:
            awake = self._woken or not self.sleeps
            circuit.s2_closed = self.wants_charge and awake and not full and self._pwm_ms >= PWM_SEEN_MS
            return
        done = not self.wants_charge or full
        told_to_stop = self.obeys_x1 and self._no_pwm_ms >= X1_S2_OPEN_MS
        if done and self.abrupt:
            self.current_a = 0.0  # its own relay opens under load
        if (done or told_to_stop) and self.current_a == 0.0:
            circuit.s2_closed = False

    def _target_a(self, told_a: float, by_wire: bool) -> float:
        if not self.wants_charge or not self.circuit.s2_closed or self._script:
            return 0.0
        if told_a == 0.0:
            return 0.0 if self.obeys_x1 or by_wire else self.current_a
        if self.stored_wh >= self.capacity_wh:
            return 0.0
        self._highest_a = max(self._highest_a, told_a)
        limit_a = (told_a if self.obeys_lower else self._highest_a) + self.over_a
        taper_a = self.charger_a * max(0.05, (1.0 - self.soc) / 0.2) if self.soc > 0.8 else self.charger_a
        return min(limit_a, self.charger_a, taper_a)

    def _draw(self, target_a: float, mains_v: float, live_phases: int) -> None:
        if mains_v <= 0.0 or live_phases == 0:
            self.current_a = 0.0
            return
        if self.current_a < target_a:
            self.current_a = min(target_a, self.current_a + self.ramp_up_a_s * STEP_S)
        elif self.current_a > target_a:
            self.current_a = max(target_a, self.current_a - self.ramp_down_a_s * STEP_S)
        power_w = mains_v * self.current_a * min(self.phases, live_phases)
        self.stored_wh = min(self.capacity_wh, self.stored_wh + self.time_scale * 0.92 * power_w * STEP_S / 3600.0)
