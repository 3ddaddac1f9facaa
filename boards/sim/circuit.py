"""The control pilot as a circuit: a source of +/-12 V behind 1 kOhm, the cable, and the car's diode and resistors to earth.

Values: project fact sheet on IEC 61851-1, section 1. What it leaves out: capacitances (the edges are over after some 10 us, the
shortest pulse of 5 % lasts 50 us), noise, and tolerances unless a caller sets them.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_MV = 12000
SOURCE_OHM = 1000.0
DIODE_MV = 700


def parallel_ohm(*ohms: float) -> float:
    """Resistance of resistors in parallel."""
    return 1.0 / sum(1.0 / ohm for ohm in ohms)


def source_levels_mv(duty: float) -> tuple[int, int]:
    """Highest and lowest voltage of the unloaded source: what the station measures while its relay has the wire cut off."""
    return (SOURCE_MV if duty > 0.0 else -SOURCE_MV, -SOURCE_MV if duty < 1.0 else SOURCE_MV)


@dataclass(slots=True)
class EvCircuit:
    """What hangs on the pilot wire. `plugged` False is an open circuit."""

    plugged: bool = False
    s2_closed: bool = False
    ventilation: bool = False
    diode: bool = True
    shorted: bool = False
    held: bool = False
    """A foreign source holds the wire at held_mv, whatever station and car do."""
    held_mv: float = -5000.0
    r_b_ohm: float = 2740.0
    r_c_ohm: float = 1300.0
    r_d_ohm: float = 270.0
    cable_ohm: float = 0.05

    def load_ohm(self) -> float:
        """Resistance from behind the diode to earth."""
        if not self.s2_closed:
            return self.r_b_ohm
        return parallel_ohm(self.r_b_ohm, self.r_d_ohm if self.ventilation else self.r_c_ohm)

    def level_mv(self, source_mv: int) -> float:
        """Voltage on the pilot wire at the station while the source stands at source_mv."""
        if self.held:
            return self.held_mv
        if self.shorted:
            return source_mv * self.cable_ohm / (SOURCE_OHM + self.cable_ohm)
        if not self.plugged:
            return float(source_mv)
        load_ohm = self.load_ohm() + self.cable_ohm
        if not self.diode:
            return source_mv * load_ohm / (SOURCE_OHM + load_ohm)
        if source_mv <= DIODE_MV:
            return float(source_mv)  # the diode blocks: no current, no drop across the source resistance
        return DIODE_MV + (source_mv - DIODE_MV) * load_ohm / (SOURCE_OHM + load_ohm)

    def levels_mv(self, duty: float) -> tuple[int, int]:
        """Highest and lowest voltage on the wire over one period of PWM with this duty (0..1)."""
        high_mv, low_mv = source_levels_mv(duty)
        return round(self.level_mv(high_mv)), round(self.level_mv(low_mv))
