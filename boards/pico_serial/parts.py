"""The parts of the analogue front end: what circuits.py computes with, and the parts list of README.md.

Tolerances are those of the part plus its drift over 0..65 °C of board temperature. [R] marks what is recalled from data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

THIN = 0.002  # thin film: 0.1 % and 25 ppm/K
THICK = 0.014  # thick film: 1 % and 100 ppm/K
FILM = 0.07  # polyester film: 5 % and 2 % of drift


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the list. `nominal` in ohm, farad or volt is 0 where nothing is computed with it; `spread` is relative."""

    ref: str
    what: str
    value: str
    nominal: float = 0.0
    spread: float = 0.0


PARTS = {
    "reference": (
        Part("U1", "3.3 V series reference into ADC_VREF; U2, proximity, sensors and thresholds hang on it too", "REF3033 class, 0.2 %, 75 ppm/K, 25 mA [R]", 3.3, 0.005),
        Part("R9", "base load of U1, which can give current but take none: what a foreign voltage pushes in through R10 goes here", "390 Ω 1 %", 390.0, THICK),
    ),
    "supply": (
        Part("U9", "isolated converter 12 V to ±15 V, 2 W, each side 13.2 .. 18.0 V whatever the load", "with 10 mA of base load [R]"),
        Part("L1, L2, C9..C12", "filter of each side: ripple on CP far below 100 mVpp", "10 µH, 10 µF 25 V"),
    ),
    "CP": (
        Part("U2", "gate on U1's voltage: the PWM pin becomes 0 V or the reference", "74LVC1G17, 10 kΩ pull-down at its input"),
        Part("U3A", "driver on ±15 V, 20 V/µs, 65 mA", "OPA2197 class [R]"),
        Part("R1", "reference to inverting input", "8.25 kΩ 0.1 %", 8250.0, THIN),
        Part("R2", "inverting input to ground, two in series", "11.3 kΩ 0.1 % + 47 Ω 1 %", 11347.0, THIN),
        Part("R3", "feedback", "30.1 kΩ 0.1 %", 30100.0, THIN),
        Part("R4", "source resistance, pulse-proof", "1.00 kΩ 0.1 %, 1 W", 1000.0, THIN),
        Part("K1", "opens the wire (cp_off); its contact is closed without current", "signal relay 5 V, 0.1 Ω"),
        Part("C1", "on the wire, C0G 100 V", "220 pF 5 %", 220e-12, 0.055),
        Part("D1", "on the wire: bidirectional suppressor, 600 W, 100..500 pF [R]", "SMBJ15CA, clamps at 24.4 V, 2 µA when hot [R]"),
        Part("D2", "driver output to ±15 V, beyond R4", "BAV99"),
        Part("R5", "wire to divider, two in series for their voltage", "2 × 102 kΩ 0.1 %", 204e3, THIN),
        Part("R7", "divider to reference: as R8 and R5 side by side, so that 0 V is mid-scale", "57.6 kΩ beside 2 × 102 kΩ, 0.1 %", 1 / (1 / 57.6e3 + 1 / 204e3), THIN),
        Part("R8", "divider to ground", "57.6 kΩ 0.1 %", 57.6e3, THIN),
        Part("D3", "divider to 3.3 V and ground, low leakage", "BAV199"),
        Part("U4A", "buffer on 3.3 V, 10 MHz, rail to rail; then 100 Ω and 1 nF to the ADC", "MCP6022 class [R]"),
    ),
    "PP": (
        Part("R10", "reference to PP", "1.00 kΩ 0.1 %", 1000.0, THIN),
        Part("D4", "PP to earth: suppressor of low leakage; an SMBJ5.0A may leak 0.8 mA [R], a cable of its own", "PESD5V0 class, 5.5..9.5 V, clamps at 14 V, 0.1 µA [R]"),
        Part("R11", "PP to the multiplexer, where D5 (BAV199) and C2 (10 nF) are", "3.3 kΩ 1 %", 3300.0, THICK),
    ),
    "CT": (
        Part("T1..T3", "one for each phase, 100 A, 2000:1, 1 % [R]", "with a wire-wound limiter inside", 2000.0, 0.01),
        Part("R20", "burden", "22.0 Ω 0.1 %, 0.25 W", 22.0, THIN),
        Part("U5..U7", "rectifier, filter and maximum of one phase, on ±15 V", "OPA4197 class, 0.25 mV [R]"),
        Part("R21..R23", "half-wave: in, back, to the sum", "10.0 kΩ 0.1 %", 10000.0, THIN),
        Part("R24", "burden to the sum", "20.0 kΩ 0.1 %", 20000.0, THIN),
        Part("R25", "feedback of the sum", "66.5 kΩ 0.1 %", 66500.0, THIN),
        Part("R26", "second pole", "66.5 kΩ 1 %", 66500.0, THICK),
        Part("C20, C21", "first and second pole, film", "390 nF 5 %", 390e-9, FILM),
        Part("R27", "to the multiplexer, where D6 (BAV199) clamps to 3.3 V and ground", "4.7 kΩ 1 %", 4700.0, THICK),
    ),
    "NTC": (
        Part("R30, R31", "reference to sensor", "10.0 kΩ 0.1 %", 10000.0, THIN),
        Part("NTC1, NTC2", "plug, board: 10 kΩ at 25 °C, B 3950 K, both 1 %", "insulated for the mains if it touches a contact", 10000.0, 0.01),
        Part("R32", "to the multiplexer, one each, with D7 (BAV199) and C30 (100 nF)", "2.2 kΩ 1 %", 2200.0, THICK),
        Part("U8", "multiplexer of PP, CT and sensors on 3.3 V", "74HC4051"),
    ),
    "pump": (
        Part("U10", "`alive` and its inverse, on U1's voltage, 330 Ω behind each", "74LVC1G17 and 74LVC1G14, 10 kΩ pull-down at their input"),
        Part("C40, C42", "coupling of both, film", "4.7 µF 5 %", 4.7e-6, FILM),
        Part("C41", "reservoir, film", "1.0 µF 5 %", 1e-6, FILM),
        Part("D8, D11", "both diodes of each coupling", "BAV199"),
        Part("R40", "bleeder across the reservoir", "46.4 kΩ 1 %", 46400.0, THICK),
        Part("R41", "threshold, from the reference", "45.3 kΩ 0.1 %", 45300.0, THIN),
        Part("R42", "threshold, to ground", "10.0 kΩ 0.1 %", 10000.0, THIN),
        Part("U11", "comparator on 3.3 V, CMOS: a bipolar one's bias current would move the time by 3 ms", "offset 9 mV, bias 1 nA [R]"),
        Part("Q1", "coil supply, high side, 100 kΩ gate to source", "P-MOSFET 60 V"),
        Part("Q2, Q3", "one for each coil, low side, 10 kΩ gate to ground", "N-MOSFET 60 V, logic level"),
        Part("D9, D10", "across Q2, Q3: the coil's voltage when it lets go", "zener 24 V 5 % 1.3 W", 24.0, 0.05),
        Part("K2, K3", "contactors with 12 V coil and mirror contact; let go within 25 ms with D9", "see safety notes"),
        Part("U12", "supply enable: optical relay, its light fed from the coil supply", "60 V 0.4 A"),
    ),
}  # fmt: skip

_BY_REF = {part.ref: part for rows in PARTS.values() for part in rows}


def part(ref: str) -> Part:
    """A part by its name in the list; KeyError when there is none."""
    return _BY_REF[ref]


def ends(ref: str) -> tuple[float, float]:
    """Smallest and largest value of a part."""
    each = part(ref)
    return each.nominal * (1 - each.spread), each.nominal * (1 + each.spread)


def table() -> str:
    """The parts list as Markdown."""
    lines = ["| block | part | value | what it does |", "|---|---|---|---|"]
    lines += [
        f"| {block} | {each.ref} | {each.value} | {each.what} |" for block, rows in PARTS.items() for each in rows
    ]
    return "\n".join(lines) + "\n"
