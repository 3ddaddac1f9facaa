"""The pilot wire: what cars make of it, and in which band the kernel finds them. The circuit is in circuits.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pilotwire.boards.pico_serial import circuits
from pilotwire.boards.pico_serial.spreads import LESS, Claim, Range, Spread, Values, extremes, spread
from pilotwire.firmware.kernel import bands, diode

# The car, as the fact sheet has it (section 1): resistors with what a station has to accept.
RB_OHM = (1870.0, 4610.0)  # [S]
RC_OHM = (909.0, 1723.0)  # parallel to it in C [S]
RD_OHM = (243.0, 297.0)  # parallel to it in D: 270 Ω and 10 %, a guess [K]
DIODE_V = (0.55, 0.85)  # 0.65 and 0.7 V are read [S], the rest is temperature [K]
OPEN_OHM = 1e9


@dataclass(frozen=True, slots=True)
class Situation:
    """Something that the pilot wire can show, and the band in which the kernel has to find it. `car` varies beside the parts."""

    name: str
    car: dict[str, Range]
    ohm: Callable[[Values], float]
    band: int
    high: bool = True
    diode: bool = True
    wire: dict[str, Range] = field(default_factory=dict)
    """With a capacitance (pf), the level is the one of a square wave at 5 % duty, read by the program before it has settled."""


def parallel(first: float, second: float) -> float:
    """Two resistors side by side."""
    return first * second / (first + second)


_B = {"car_b": RB_OHM, "vd": DIODE_V}
_LOADED = {"pf": (0.0, circuits.most_pf())}
SITUATIONS = (
    Situation("A  nothing connected", {}, lambda _: OPEN_OHM, bands.A),
    Situation("B  any car", _B, lambda v: v["car_b"], bands.B, wire=_LOADED),
    Situation("C  any car", {**_B, "car_c": RC_OHM}, lambda v: parallel(v["car_b"], v["car_c"]), bands.C, wire=_LOADED),
    Situation("D  any car", {**_B, "car_d": RD_OHM}, lambda v: parallel(v["car_b"], v["car_d"]), bands.D, wire=_LOADED),
    Situation("E  short to earth", {}, lambda _: 0.01, bands.E, diode=False),
    Situation("E  short behind the diode", {"vd": DIODE_V}, lambda _: 0.01, bands.E),
    Situation("F  constant low level", {}, lambda _: OPEN_OHM, bands.F, high=False),
)
LOW_B = Situation("low level, B with diode", _B, SITUATIONS[1].ohm, bands.F, high=False, wire=_LOADED)
NO_DIODE_C = Situation("low level, C without", {**_B, "car_c": RC_OHM}, SITUATIONS[2].ohm, bands.INVALID, False, False)


def cp_spread(situation: Situation, calibrated: bool, rng: random.Random, runs: int) -> Spread:
    """Millivolts that the kernel is told in this situation."""

    def reading(values: Values) -> float:
        drop_v = values.get("vd", 0.0) if situation.diode else 0.0
        ohm = situation.ohm(values)
        wire_v = circuits.cp_wire_v(values, ohm, drop_v, situation.high, situation.diode)
        if "pf" in values:
            from_v = circuits.cp_wire_v(values, ohm, drop_v, not situation.high, situation.diode)
            # Behind the diode nothing pulls the wire down: the low level comes through the source alone.
            load_ohm = ohm if situation.high or not situation.diode else OPEN_OHM
            left = circuits.still_moving(circuits.tau_us(values["rs"], load_ohm, values["pf"]), situation.high)
            wire_v += left * (from_v - wire_v)
        return circuits.cp_reading_mv(values, wire_v, calibrated)

    return spread(reading, {**circuits.ranges("CP", calibrated), **situation.car, **situation.wire}, rng, runs)


def edges_of(band: int, present: int) -> Range:
    """Limits in mV of a band for a level that comes from the band `present`: what kernel/bands.py answers, found by asking it."""
    # No band is narrower than a volt: first in large steps, then from there to its ends.
    inside = [mv for mv in range(-15000, 15001, 500) if bands.band(mv, present) == band]
    low, high = inside[0], inside[-1]
    while low > -15000 and bands.band(low - 10, present) == band:
        low -= 10
    while high < 15000 and bands.band(high + 10, present) == band:
        high += 10
    return float(low), float(high)


def cp_rows(rng: random.Random, runs: int) -> Iterator[tuple[str, list[Claim], list[Spread]]]:
    """Name, claims and spreads of each situation: as built, at rest; and calibrated, as a square wave of 5 % where there is one."""
    for each in SITUATIONS:
        spreads = [cp_spread(replace(each, wire={}), False, rng, runs), cp_spread(each, True, rng, runs)]
        words = ("as built, at rest", "calibrated, 5 % duty" if each.wire else "calibrated")
        claims = []
        for word, it in zip(words, spreads, strict=True):
            # Whatever band the level comes from, hysteresis included, it must end in this one. Not calibrated, only what ends power
            # must: a car whose C is overlooked gets none, which is the safe side.
            after = [band for band in range(bands.INVALID, bands.F + 1) if band != each.band]
            if it is spreads[0]:
                after = [bands.INVALID] if bands.asks(each.band) else [bands.INVALID, bands.C, bands.D]
            limits = [edges_of(each.band, present) for present in after]
            tightest = (max(low for low, _ in limits), min(high for _, high in limits))
            claims.append(Claim(f"CP {each.name}, {word}", (it.low, it.high), tightest, "mV"))
        yield each.name, claims, spreads


def low_claims(rng: random.Random, runs: int) -> list[Claim]:
    """The low level with the car's diode, and without it."""
    low, bare = (cp_spread(each, False, rng, runs) for each in (LOW_B, NO_DIODE_C))
    return [
        Claim("CP low level with a diode", (low.low, low.high), (-15000.0, float(diode.MAX_MV)), "mV"),
        Claim("CP low level in C without one", (bare.low, bare.high), (float(diode.MAX_MV), 0.0), "mV"),
    ]


def generator_claims() -> list[Claim]:
    """What the board puts on the wire: levels, source, capacitance, edges. Limits: fact sheet, section 1."""
    claims = [
        Claim("CP high level, open, at the wire", circuits.wire_range_v(True), (11.4, 12.6), "V"),
        Claim("CP low level, open, at the wire", circuits.wire_range_v(False), (-12.6, -11.4), "V"),
        Claim("CP source resistance", circuits.ranges("CP")["rs"], (970.0, 1030.0), "Ω"),
        Claim("CP capacitance of the board", circuits.capacitance_pf(), (300.0, 1600.0), "pF"),
    ]
    for name, most_us in (("rise, B", 10.0), ("rise, C", 7.0), ("fall", 13.0)):
        claims.append(Claim(f"CP {name}, 10..90 %", (0.0, circuits.edge_us(name)), (LESS, most_us), "µs"))
    return claims


def largest_blind_rb_ohm() -> float:
    """From which B resistor on a car without a diode can look, in B, as if it had one (worst case)."""
    built = circuits.ranges("CP")

    def lowest_mv(ohm: float) -> float:
        return extremes(
            lambda values: circuits.cp_reading_mv(values, circuits.cp_wire_v(values, ohm, 0.0, False, False), False),
            built,
        )[0]

    low, high = RB_OHM
    for _ in range(20):
        middle = (low + high) / 2
        if lowest_mv(middle) > diode.MAX_MV:
            low = middle
        else:
            high = middle
    return low
