"""Models of what stands between the alive wave and the contacts: charge pump, threshold, coil. README.md draws them."""

from __future__ import annotations

import math

from pilotwire.boards.pico_serial.parts import ends
from pilotwire.boards.pico_serial.spreads import Range, Values, extremes
from pilotwire.firmware.pilot.program import TICK_MS

DIODE_V = (0.45, 0.70)  # BAV199 at microamperes to a milliampere, 0..65 °C [R]
COMPARATOR_V = (-0.009, 0.009)  # [R]
BIAS_A = (-50e-9, 50e-9)  # comparator, and what leaks back through the diodes when hot [R]
RELEASE_MS = 25.0  # asked of the contactor with its clamp, not a property of this circuit
COIL_TAU_MS = 5.0  # L/R of a 12 V coil, a guess to be measured [K]
COIL_RELEASE = 0.05  # of the nominal current: the contactor must have let go there [K]
SUPPLY_V = 12.6


def _ranges() -> dict[str, Range]:
    return {
        "ref": ends("U1"), "drop": DIODE_V, "couple": ends("C40, C42"), "store": ends("C41"), "bleed": ends("R40"),
        "up": ends("R41"), "down": ends("R42"), "off": COMPARATOR_V, "bias": BIAS_A,
    }  # fmt: skip


def _threshold_v(values: Values) -> float:
    return values["ref"] * values["down"] / (values["up"] + values["down"]) + values["off"]


def _full_v(values: Values, turn_ms: float) -> float:
    """Reservoir after a turn of a wave that has turned every turn_ms for long: one of the two couplings shares its charge."""
    keep = math.exp(-turn_ms / (values["bleed"] * values["store"] * 1000))
    given = values["couple"] * (values["ref"] - 2 * values["drop"])
    given += values["store"] * values["bias"] * values["bleed"] * (1 - keep)
    return given / (values["couple"] + values["store"] - values["store"] * keep)


def _hold_ms(values: Values, turn_ms: float) -> float:
    rest_v = values["bias"] * values["bleed"]
    left = (_full_v(values, turn_ms) - rest_v) / (_threshold_v(values) - rest_v)
    # Below the threshold from the start there is nothing to hold.
    return values["bleed"] * values["store"] * 1000 * math.log(left) if left > 1 else 0.0


def threshold_v() -> Range:
    """Below this the comparator takes the coils' supply away."""
    return extremes(_threshold_v, _ranges())


def hold_ms(turn_ms: float) -> Range:
    """From the last turn until the coils lose their supply, after a wave that turned every turn_ms."""
    return extremes(lambda values: _hold_ms(values, turn_ms), _ranges())


def running_v() -> Range:
    """Reservoir while the program turns the wave in each tick, from its lowest to its highest point."""

    def lowest_v(values: Values) -> float:
        rest_v = values["bias"] * values["bleed"]
        decay = math.exp(-TICK_MS / (values["bleed"] * values["store"] * 1000))
        return rest_v + (_full_v(values, TICK_MS) - rest_v) * decay

    return extremes(lowest_v, _ranges())[0], extremes(lambda values: _full_v(values, TICK_MS), _ranges())[1]


def coil_decay_ms() -> float:
    """Until a coil's current has fallen to where the contactor lets go, against the zener; with a diode it would be 15 ms."""
    clamp_v = ends("D9, D10")[0]
    return COIL_TAU_MS * math.log((SUPPLY_V + clamp_v) / (COIL_RELEASE * SUPPLY_V + clamp_v))
