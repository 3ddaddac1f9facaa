"""Models of what foreign voltages and surges do to the inputs, to R4 and to the reference."""

from __future__ import annotations

from pilotwire.boards.pico_serial import circuits
from pilotwire.boards.pico_serial.parts import ends
from pilotwire.boards.pico_serial.spreads import Range, Values, extremes

SURGE_V = {"CP": 24.4, "PP": 14.0, "CT": 18.0}
"""The most at the far end of a clamped resistor: D1 and D4 clamping a surge [R], an amplifier of the rectifier at its supply."""
CLAMP = {"CP": "R5", "PP": "R11", "CT": "R27"}
FOREIGN_CP_V = 12 * 1.1  # a pilot wire of another station, of either sign
FOREIGN_PP_V = {"5 V + 10 %": 5.5, "12 V": 9.5}
"""On PP, D4's breakdown voltage being the most; from 12 V it gets hot and is a fuse for the rest [R]."""
PICO_PULL_V, PICO_PULL_OHM = (3.2, 3.4), 200.0  # a Pico's own feed of ADC_VREF from its 3.3 V, which stays [R]
SOURCE_W = 1.0  # R4, from the parts list
REFERENCE_MA = 25.0  # [R]


def clamp_ua(block: str) -> float:
    """Through the clamp at an input of the ADC or the multiplexer, in a surge of either sign; its rail counts as 0 V."""
    return SURGE_V[block] / ends(CLAMP[block])[0] * 1e6


def buffer_v() -> Range:
    """Input of U4A with a foreign voltage at CP; it bears 0 V to the reference without any clamp."""

    def node_v(values: Values) -> float:
        share, share_up = circuits.divider(values)
        return share * values["wire"] + share_up * values["vref"] + values["buf"]

    return extremes(node_v, {**circuits.ranges("CP"), "wire": (-FOREIGN_CP_V, FOREIGN_CP_V)})


def source_w() -> float:
    """Power in R4 with a foreign level at CP, against our own of the other sign, constantly."""
    own_v = max(abs(level) for high in (True, False) for level in circuits.wire_range_v(high))
    return float((own_v + FOREIGN_CP_V) ** 2 / ends("R4")[0])


def reference_ma(pp_v: float) -> Range:
    """What U1 has to give: least with PP at this foreign voltage, most with PP and both sensors shorted to earth."""
    low, high = ends("U1")
    pull_ma = [(volts - ref) / PICO_PULL_OHM * 1000 for volts in PICO_PULL_V for ref in (low, high)]
    least = 1000 * (low / ends("R9")[1] - (pp_v - low) / ends("R10")[0] - SURGE_V["CP"] / ends("R5")[0]) - max(pull_ma)
    shorted = 1 / ends("R9")[0] + 1 / ends("R10")[0] + 2 / ends("R30, R31")[0] + 1 / ends("R1")[0]
    divided = 1 / (ends("R41")[0] + ends("R42")[0]) + 1 / ends("R7")[0]
    # The pump's couplings, refilled whole in each tick, which they are only at the start.
    pumped = 2 * ends("C40, C42")[1] * 100
    return least, 1000 * high * (shorted + divided + pumped) - min(pull_ma)
