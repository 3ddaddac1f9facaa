"""Models of the front end's circuits: parts in, voltages, codes and times out. README.md draws them, parts.py lists the parts.

Where a model asks for `Values`, these are the parts of one board, each somewhere in its tolerance. Static models are exact for the
drawn circuit; what the semiconductors add is in the ranges below, with the mark of where it comes from.
"""

from __future__ import annotations

import functools
import math
from itertools import product

from pilotwire.boards.pico_serial.parts import ends, part
from pilotwire.boards.pico_serial.spreads import Range, Values, extremes
from pilotwire.firmware.pilot import rp2040_sampling as sampling
from pilotwire.firmware.pilot import rp2040_scales
from pilotwire.firmware.pilot.program import TICK_MS

CODES = 65536
LSB = 16  # codes of one step of the ADC
# Total error of the ADC, offset, gain and the steps of erratum RP2040-E11: up to 15 steps on five RP2040, 16 on five RP2350 in
# the public measurement kitanokitsune/rp2040adc_correction [S]; four more for noise in a mean of eight [K].
ADC_CODES = 20.0 * LSB
ADC_LEFT_CODES = 14.0 * LSB  # of these after a two-point calibration: what is no straight line, and noise
REFERENCE_LEFT = 0.002  # the references of the calibration, and what drifts afterwards but U1
REFERENCE_DRIFT = (
    0.003  # U1 over 0..65 °C; drops out of ratios, and of the pilot wire's levels, which are made of it too
)
BUFFER_V = 0.003  # offset of U4A, leakage of D3 through the divider [R]
WIRE_LEAK_A = 3e-6  # D1 when hot, K1 and the contact behind it [R]; always towards 0 V
DRIVER_V = 0.001  # offset of U3A at its input [R]
LEAK_A = 1e-6  # pin of the ADC, multiplexer and clamp of a slow input together [R]
CONTACT_OHM = (0.0, 2.0)  # plug contact and wire [K]
OPEN_PP_OHM = 1e6


TVS_PF = (100.0, 500.0)  # [R]
CABLE_PF = 1500.0  # [K], fact sheet
CAR_PF = 2400.0  # [K], fact sheet
SLEW_V_US = 20.0  # [R]

CT_OFFSET_V = 0.008  # both amplifiers at the output, and the third [R]
MUX_MS = 4.0 * TICK_MS  # until each slow input has had its turn
MAINS_HZ = 50.0


def around(spread: float) -> Range:
    """A range around nothing."""
    return -spread, spread


def leak_codes(ohm: float) -> float:
    """What the leakage of a slow input makes of the resistance that it sees."""
    return LEAK_A * ohm / part("U1").nominal * CODES


@functools.cache
def _ranges(block: str, calibrated: bool) -> tuple[tuple[str, Range], ...]:
    if block == "CP":
        rows = {
            "vref": ends("U1"), "r1": ends("R1"), "r2": ends("R2"), "r3": ends("R3"), "drv": around(DRIVER_V),
            "rs": ends("R4"), "rd": ends("R5"), "rr": ends("R7"), "rg": ends("R8"),
            "leak": (0.0, WIRE_LEAK_A),
        }  # fmt: skip
        rows |= {"buf": around(BUFFER_V)} if not calibrated else {}
    else:
        rows = {"contact": CONTACT_OHM} | ({"rs": ends("R10")} if not calibrated else {})
    # Proximity: the largest resistance is R11 behind R10 alone.
    leak = 0.0 if block == "CP" else leak_codes(ends("R11")[1] + ends("R10")[1])
    rows |= {"adc": around(ADC_CODES + leak)} if not calibrated else {}
    # Leakage is calibrated away where it stays; half of it may come with the temperature.
    rows |= {"adc": around(ADC_LEFT_CODES + leak / 2), "gain": around(REFERENCE_LEFT)} if calibrated else {}
    return tuple(rows.items())


def ranges(block: str, calibrated: bool = False) -> dict[str, Range]:
    """What varies from board to board in a block, as built or after calibration."""
    return dict(_ranges(block, calibrated))


# The pilot wire.


def driver_v(values: Values, high: bool) -> float:
    """Output of U3A: R2 and R3 make the high level of the reference, R1 and R3 the low one."""
    gate_v = values["vref"] if high else 0.0
    up, down = values["r3"] / values["r1"], values["r3"] / values["r2"]
    return (gate_v + values["drv"]) * (1 + up + down) - values["vref"] * up


def divider(values: Values) -> Range:
    """(share of the wire's voltage, share of the reference) at the divider's node."""
    wire, up, down = 1 / values["rd"], 1 / values["rr"], 1 / values["rg"]
    return wire / (wire + up + down), up / (wire + up + down)


def cp_wire_v(values: Values, ohm: float, drop_v: float, high: bool, has_diode: bool) -> float:
    """Volts on the wire at rest, with `ohm` to earth behind a diode of drop_v, or without one."""
    share, share_up = divider(values)
    source, into = 1 / values["rs"], (1 - share) / values["rd"]
    amps = driver_v(values, high) * source + share_up * values["vref"] / values["rd"]
    amps -= math.copysign(values["leak"], amps)
    open_v = amps / (source + into)
    if has_diode and open_v <= drop_v:
        return open_v
    return (amps + (drop_v if has_diode else 0.0) / ohm) / (source + into + 1 / ohm)


def cp_reading_mv(values: Values, wire_v: float, calibrated: bool) -> float:
    """Millivolts that the program makes of it: 65536 codes are -15 .. +15 V."""
    if calibrated:
        return 1000 * wire_v * (1 + values["gain"]) + values["adc"] * 30000 / CODES
    share, share_up = divider(values)
    node_v = share * wire_v + share_up * values["vref"] + values["buf"]
    return (node_v / values["vref"] * CODES + values["adc"]) * 30000 / CODES - 15000


def still_moving(tau_us: float, high: bool) -> float:
    """How much of an edge is left in a reading at 5 % duty: the mean over the samples that rp2040_sampling.py takes, each at its
    earliest.
    """
    if tau_us <= 0:
        return 0.0
    edge_us10 = 500
    first = sampling.first_sample(0) if high else sampling.low_first(edge_us10)
    end = sampling.high_end(edge_us10) if high else sampling.PER_PERIOD
    step = sampling.stride(end - first)
    taken = [first + step * count for count in range(min(sampling.TAKE, end - first))]
    since_us = 0 if high else edge_us10 / 10
    left = [math.exp(-(k * sampling.SAMPLE_US - sampling.CONVERSION_US - since_us) / tau_us) for k in taken]
    return sum(left) / len(left)


def wire_range_v(high: bool) -> Range:
    """The open wire, worst case."""
    return extremes(lambda values: cp_wire_v(values, 1e9, 0.0, high, True), ranges("CP"))


def capacitance_pf() -> Range:
    """What the board puts on the wire."""
    low, high = ends("C1")
    return low * 1e12 + TVS_PF[0], high * 1e12 + TVS_PF[1]


def most_pf() -> float:
    """The same with the longest cable and the largest car."""
    return capacitance_pf()[1] + CABLE_PF + CAR_PF


def tau_us(source_ohm: float, load_ohm: float, pf: float) -> float:
    """Time constant of the wire."""
    return source_ohm * load_ohm / (source_ohm + load_ohm) * pf * 1e-6


def edge_us(name: str) -> float:
    """10..90 % of an edge with the largest capacitance and resistance; the fall without any load, for the diode blocks."""
    load_ohm = {"rise, B": 4610.0, "rise, C": 4610.0 * 1723.0 / (4610.0 + 1723.0), "fall": 1e9}[name]
    wire_us = 2.2 * tau_us(ends("R4")[1], load_ohm, most_pf())
    return math.hypot(wire_us, 0.8 * 24.0 / SLEW_V_US)


def largest_correction_codes(block: str) -> float:
    """The largest distance between what a board within tolerance reads and what it should read, anywhere on the scale."""

    def cp_error(volt: float) -> Range:
        return extremes(lambda v: (cp_reading_mv(v, volt, False) - 1000 * volt) * CODES / 30000, ranges("CP"))

    def pp_error(ohm: float) -> Range:
        return extremes(lambda v: pp_code(v, ohm, False) - CODES * ohm / (ohm + 1000), ranges("PP"))

    found = map(cp_error, (-15.0, 15.0)) if block == "CP" else map(pp_error, (0.0, 500.0, 1000.0, 2000.0))
    return max(abs(error) for pair in found for error in pair)


# Proximity.


def pp_code(values: Values, ohm: float, calibrated: bool) -> float:
    """Code for a cable's resistor: 65536 codes are the whole reference."""
    total = ohm + values["contact"]
    code = CODES * total / (total + (part("R10").nominal if calibrated else values["rs"]))
    return min(max(code * (1 + values.get("gain", 0.0)) + values["adc"], 0.0), CODES - 1.0)


# Current.


def _current_gain() -> Range:
    """Code for an ampere, relative to what the program expects (65536 codes for 100 A)."""
    factors = []
    for ratio, burden, sum_in, feed, ref in product(*(ends(name) for name in ("T1..T3", "R20", "R24", "R25", "U1"))):
        # The half-wave path, 10 kΩ three times, makes up for the other half; its mismatch counts half.
        for half in (-0.5, 0.5):
            mean_a = 2 * math.sqrt(2) / math.pi / ratio
            volts = mean_a * burden * feed / sum_in * (1 + half * 3 * part("R21..R23").spread)
            factors.append(volts / ref * 100)
    return min(factors), max(factors)


def current_error_ma(ma: float, calibrated: bool) -> float:
    """Worst case of the reading of a sine current."""
    if calibrated:
        return (
            ma * (REFERENCE_LEFT + REFERENCE_DRIFT)
            + (ADC_LEFT_CODES + leak_codes(ends("R27")[1]) / 2) * 100_000 / CODES
        )
    low, high = _current_gain()
    codes = ADC_CODES + leak_codes(ends("R27")[1]) + CT_OFFSET_V / part("U1").nominal * CODES
    return ma * max(high - 1, 1 - low) + codes * 100_000 / CODES


def current_full_a() -> Range:
    """The current that reads as full scale."""
    low, high = _current_gain()
    return 100 / high, 100 / low


def current_ripple_ma(ma: float) -> float:
    """Peak of what is left of twice the mains frequency, with the smallest parts."""
    angle = 2 * math.pi * 2 * MAINS_HZ
    first, second = (ends(name)[0] * ends("C20, C21")[0] for name in ("R25", "R26"))
    return ma * 2 / 3 / (math.hypot(1, angle * first) * math.hypot(1, angle * second))


def current_fall_ms(from_ma: float, to_ma: float) -> float:
    """Until a current that has ended reads less than to_ma, calibrated, with the largest parts, and the multiplexer's turn."""
    first, second = (ends(name)[1] * ends("C20, C21")[1] * 1000 for name in ("R25", "R26"))
    slower = max(first, second)  # two equal poles of the slower one: not faster than the real pair
    target = (to_ma - current_error_ma(0.0, True)) / from_ma
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 + middle) * math.exp(-middle) > target else (low, middle)
    return slower * high + MUX_MS


# Temperature.


def _ntc_ohm(celsius: float, r25: float, beta: float) -> float:
    return r25 * math.exp(beta * (1 / (celsius + 273.15) - 1 / 298.15))


def temperature_codes(hot: float, cold: float) -> Range:
    """Lowest and highest code between these two temperatures."""
    codes = []
    for celsius in (hot, cold):
        for r25, beta_off, up in product(ends("NTC1, NTC2"), around(0.01), ends("R30, R31")):
            ohm = _ntc_ohm(celsius, r25, 3950 * (1 + beta_off))
            leak = leak_codes(ends("R32")[1] + ohm * up / (ohm + up))
            codes += [CODES * ohm / (ohm + up) + error for error in around(ADC_CODES + leak)]
    return min(codes), max(codes)


def temperature_error_k(celsius: float) -> float:
    """Largest error of what the program's own table makes of the codes at this temperature."""
    return max(abs(rp2040_scales.ntc_ddeg(round(code)) / 10 - celsius) for code in temperature_codes(celsius, celsius))
