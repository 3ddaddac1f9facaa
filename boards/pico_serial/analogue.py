"""What the analogue front end of this board makes of cars, cables, currents and temperatures, with the tolerances of its parts.

    python -m pilotwire.boards.pico_serial.analogue [--help]

computes every corner of the tolerances and a Monte Carlo run, compares both with the thresholds that the kernel really has (they
are imported, not repeated), prints the claims of README.md with their margins, and draws bands.svg. Exit status 1 when a claim
does not hold. Host Python, nothing but the standard library; the circuits are in README.md, the models in circuits.py.

[K] engineering knowledge, [R] recalled from a data sheet that was not opened for this: check before you build. [S] the project's
fact sheet on IEC 61851-1, which names its source.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from pilotwire.boards.pico_serial import circuits, parts
from pilotwire.boards.pico_serial.circuits import Values
from pilotwire.firmware.kernel import bands, current, diode, heat, proximity, times
from pilotwire.firmware.pilot import calibration, frontend

SEED = 61851
RUNS = 4000

Range = tuple[float, float]

# The car, as the fact sheet has it (section 1): resistors with what a station has to accept.
RB_OHM = (1870.0, 4610.0)  # [S]
RC_OHM = (909.0, 1723.0)  # parallel to it in C [S]
RD_OHM = (243.0, 297.0)  # parallel to it in D: 270 Ω and 10 %, a guess [K]
DIODE_V = (0.55, 0.85)  # 0.65 and 0.7 V are read [S], the rest is temperature [K]
OPEN_OHM = 1e9
LESS = float("-inf")  # lower limit of a claim that has only an upper one


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

# Cables (section 3 [S]): rated current in mA, nominal resistor, what has to be accepted.
CABLES = ((13000, 1500.0, (1100.0, 2460.0)), (20000, 680.0, (400.0, 936.0)), (32000, 220.0, (164.0, 308.0)),
          (63000, 100.0, (80.0, 140.0)))  # fmt: skip
CABLE_PART = 0.03  # tolerance of a cable's resistor [K]


@dataclass(frozen=True, slots=True)
class Spread:
    """What a value becomes: worst case, and the middle 99.8 % of a Monte Carlo run."""

    low: float
    high: float
    usual_low: float
    usual_high: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of README.md: the worst case lies within (low, high). `margin` has the same unit, negative: it does not."""

    text: str
    worst: Range
    limits: Range
    unit: str

    @property
    def margin(self) -> float:
        """Distance to the nearer limit."""
        return min(self.worst[0] - self.limits[0], self.limits[1] - self.worst[1])


def corners(ranges: dict[str, Range]) -> Iterator[Values]:
    """Every combination of the ends of the ranges."""
    names = sorted(ranges)
    for ends in product(*(ranges[name] for name in names)):
        yield dict(zip(names, ends, strict=True))


def spread(function: Callable[[Values], float], ranges: dict[str, Range], rng: random.Random, runs: int) -> Spread:
    """Extremes of function over all corners, and over `runs` draws, each value evenly distributed in its range.

    The extremes are those of the corners because every model here is monotonic in each value; a draw outside them is a mistake
    in a model and raises AssertionError.
    """
    values = [function(each) for each in corners(ranges)]
    low, high = min(values), max(values)
    names = sorted(ranges)
    drawn = sorted(function({name: rng.uniform(*ranges[name]) for name in names}) for _ in range(runs))
    slack = 1e-9 * (abs(low) + abs(high) + 1.0)
    assert low - slack <= drawn[0] <= drawn[-1] <= high + slack, "a model is not monotonic in one of its values"
    cut = runs // 1000
    return Spread(low, high, drawn[cut], drawn[-1 - cut])


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


def pp_spread(ohm: Range, calibrated: bool, rng: random.Random, runs: int) -> Spread:
    """Code that the kernel's resistance is computed from, for a cable's resistor in this range."""

    def reading(values: Values) -> float:
        return circuits.pp_code(values, values["cable"], calibrated)

    return spread(reading, {**circuits.ranges("PP", calibrated=calibrated), "cable": ohm}, rng, runs)


def edges_of(band: int, present: int) -> Range:
    """Limits in mV of a band for a level that comes from the band `present`: what kernel/bands.py answers, found by asking it."""
    inside = [mv for mv in range(-15000, 15001, 10) if bands.band(mv, present) == band]
    return float(inside[0]), float(inside[-1])


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


def other_claims(rng: random.Random, runs: int) -> list[Claim]:
    """Everything but the bands of the pilot wire."""
    claims = []
    low = cp_spread(LOW_B, False, rng, runs)
    claims.append(Claim("CP low level with a diode", (low.low, low.high), (-15000.0, float(diode.MAX_MV)), "mV"))
    bare = cp_spread(NO_DIODE_C, False, rng, runs)
    claims.append(Claim("CP low level in C without one", (bare.low, bare.high), (float(diode.MAX_MV), 0.0), "mV"))
    wire = circuits.wire_range_v
    claims.append(Claim("CP high level, open, at the wire", wire(True), (11.4, 12.6), "V"))
    claims.append(Claim("CP low level, open, at the wire", wire(False), (-12.6, -11.4), "V"))
    claims.append(Claim("CP source resistance", circuits.ranges("CP")["rs"], (970.0, 1030.0), "Ω"))
    claims.append(Claim("CP capacitance of the board", circuits.capacitance_pf(), (300.0, 1600.0), "pF"))
    for name, most_us in (("rise, B", 10.0), ("rise, C", 7.0), ("fall", 13.0)):
        claims.append(Claim(f"CP {name}, 10..90 %", (0.0, circuits.edge_us(name)), (LESS, most_us), "µs"))
    claims.append(_correction_claim("CP", calibration.CP))
    claims.append(_correction_claim("PP", calibration.PP))
    claims += pp_claims(rng, runs)
    claims += current_claims()
    claims += temperature_claims()
    claims += pump_claims()
    claims += protection_claims()
    return claims


def protection_claims() -> list[Claim]:
    """What a clamp carries in a surge, and what a short costs. 5 mA is what 74-series inputs and the ADC's pads bear [K]."""
    claims = [
        Claim(f"{block} current of a clamp in a surge", (0.0, circuits.clamp_ua(block)), (LESS, 5000.0), "µA")
        for block in circuits.SURGE_V
    ]
    short_w = circuits.source_short_w()
    return [*claims, Claim("CP power in R4, wire shorted to earth", (0.0, short_w), (LESS, circuits.SOURCE_W), "W")]


def _correction_claim(block: str, channel: int) -> Claim:
    """The largest correction that a board within tolerance can need is one that the pilot believes."""
    worst = circuits.largest_correction_codes(block)
    most = float(calibration.CHANNELS[channel][1])
    return Claim(f"{block} correction that calibration may need", (-worst, worst), (-most, most), "codes")


def pp_claims(rng: random.Random, runs: int) -> list[Claim]:
    """No cable is taken for a stronger one, and each with a resistor of 3 % is taken for what it is."""
    claims = []
    for ma, nominal, accepted in CABLES:
        window = pp_window(ma)
        part = pp_spread((nominal * (1 - CABLE_PART), nominal * (1 + CABLE_PART)), False, rng, runs)
        claims.append(Claim(f"PP {ma // 1000} A, resistor of 3 %", (part.low, part.high), window, "codes"))
        if ma < 63000:
            # The one direction that matters: a lower resistance means more current.
            least = pp_spread((accepted[0], accepted[0]), False, rng, runs)
            claims.append(
                Claim(
                    f"PP {ma // 1000} A, least {accepted[0]:.0f} Ω", (least.low, least.low), (window[0], 65536), "codes"
                )
            )
    none = pp_spread((circuits.OPEN_PP_OHM, circuits.OPEN_PP_OHM), False, rng, runs)
    claims.append(Claim("PP nothing connected", (none.low, none.high), (pp_window(13000)[1], 65536.0), "codes"))
    return claims


def pp_window(ma: int) -> Range:
    """Codes for which kernel/proximity.py answers this current on three phases, found by asking it."""
    codes = [code for code in range(0, 65536, 4) if proximity.cable_ma(frontend.pp_ohm(code), 3) == ma]
    if ma == 32000:  # the narrow window between 60 and 80 Ω is none that a cable is made for
        codes = [code for code in codes if frontend.pp_ohm(code) > 140]
    return float(codes[0]), float(codes[-1])


def current_claims() -> list[Claim]:
    """The transformer: no current is no current, and it is gone before it counts as one that flows through open contacts."""
    idle, zero = (circuits.current_error_ma(0.0, calibrated) for calibrated in (False, True))
    at_32 = circuits.current_error_ma(32000.0, calibrated=True)
    raw = circuits.current_error_ma(32000.0, calibrated=False)
    fall_ms = circuits.current_fall_ms(80000.0, float(current.PHANTOM_MA))
    return [
        Claim("CT no current, as built", (0.0, idle), (LESS, float(current.PHANTOM_MA)), "mA"),
        Claim("CT no current, calibrated", (0.0, zero), (LESS, float(current.ZERO_MA)), "mA"),
        # What firmware/kernel/current.py forgives: half an ampere and a tenth.
        Claim("CT error at 32 A, as built", (-raw, raw), (-3750.0, 3750.0), "mA"),
        Claim("CT error at 32 A, calibrated", (-at_32, at_32), (-1000.0, 1000.0), "mA"),
        Claim("CT ripple at 32 A, 50 Hz", (0.0, circuits.current_ripple_ma(32000.0)), (LESS, 250.0), "mA"),
        Claim("CT 80 A fallen below 1 A", (0.0, fall_ms), (LESS, float(times.PHANTOM_MS)), "ms"),
        Claim("CT largest current on the scale", circuits.current_full_a(), (88.0, 110.0), "A"),
    ]


def temperature_claims() -> list[Claim]:
    """The temperature sensor, as built."""
    claims = []
    for celsius in (25.0, 60.0, 70.0):
        error = circuits.temperature_error_k(celsius)
        claims.append(Claim(f"NTC error at {celsius:.0f} °C", (-error, error), (-3.0, 3.0), "K"))
    cold, hot = heat.SENSOR_MIN_DDEG / 10, heat.SENSOR_MAX_DDEG / 10
    claims.append(
        Claim(f"NTC code, {hot:.0f} to {cold:.0f} °C", circuits.temperature_codes(hot, cold), (400.0, 65136.0), "codes")
    )
    return claims


def pump_claims() -> list[Claim]:
    """The charge pump between the kernel's own idea of it and the 100 ms."""
    hold = circuits.pump_hold_ms()
    open_ms = circuits.RELEASE_MS
    return [
        # The last turn of the wave may be one that does not charge: half a period is given away.
        Claim(
            "pump holds after the last turn",
            (hold[0] - circuits.HALF_WAVE_MS, hold[1]),
            (times.OVERRUN_MS, 100.0 - open_ms),
            "ms",
        ),
        Claim("contacts open after the last turn", (0.0, hold[1] + open_ms), (LESS, 100.0), "ms"),
        Claim(
            "pump voltage while the wave runs", circuits.pump_running_v(), (circuits.pump_threshold_v()[1], 3.4), "V"
        ),
        Claim("coil current below release, with D9", (0.0, circuits.coil_decay_ms()), (LESS, 5.0), "ms"),
    ]


def largest_blind_rb_ohm() -> float:
    """From which B resistor on a car without a diode can look, in B, as if it had one (worst case)."""
    built = circuits.ranges("CP")

    def lowest_mv(ohm: float) -> float:
        return min(
            circuits.cp_reading_mv(values, circuits.cp_wire_v(values, ohm, 0.0, False, False), False)
            for values in corners(built)
        )

    low, high = RB_OHM
    for _ in range(20):
        middle = (low + high) / 2
        if lowest_mv(middle) > diode.MAX_MV:
            low = middle
        else:
            high = middle
    return low


def all_claims(seed: int, runs: int) -> list[Claim]:
    """Every claim of README.md."""
    rng = random.Random(seed)
    return [claim for _, claims, _ in cp_rows(rng, runs) for claim in claims] + other_claims(rng, runs)


def report(seed: int, runs: int) -> tuple[str, bool]:
    """The text, and whether all claims hold."""
    claims = all_claims(seed, runs)
    lines = [
        f"Monte Carlo: {runs} draws, seed {seed}; worst case: every corner of the tolerances.",
        "",
        "| claim | worst case | allowed | margin |",
        "|---|---|---|---|",
    ]
    for each in claims:
        low, high = (_number(value, each.unit) for value in each.worst)
        least, most = (_number(value, each.unit) for value in each.limits)
        margin = _number(each.margin, each.unit)
        wrong = "" if each.margin >= 0 else " **does not hold**"
        worst = high if each.limits[0] == LESS else f"{low} .. {high}"
        allowed = f"at most {most}" if each.limits[0] == LESS else f"{least} .. {most}"
        lines.append(f"| {each.text} | {worst} {each.unit} | {allowed} | {margin}{wrong} |")
    lines += [
        "",
        f"A car without a diode is found in C in every case, and in B while its resistor is below {largest_blind_rb_ohm():.0f} Ω.",
    ]
    return "\n".join(lines) + "\n", all(each.margin >= 0 for each in claims)


def _number(value: float, unit: str) -> str:
    digits = {"V": 2, "µs": 1, "ms": 1, "K": 1, "A": 1, "W": 2}.get(unit, 0)
    return f"{value + 0.0:.{digits}f}"


def filled(page: str, text: str) -> str:
    """README.md with the report and the parts list between their marks; ValueError when a mark is missing."""
    for name, body in (("figures", text), ("parts", parts.table())):
        head, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end of {name} -->")
        if not mark or not end:
            raise ValueError(f"README.md lacks the marks <!-- {name} --> and <!-- end of {name} -->")
        page = head + mark + body.rstrip("\n") + "\n" + end + tail
    return page


def main(argv: list[str] | None = None) -> int:
    """Compute, print, draw; exit status 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(
        prog="analogue.py",
        description="Tolerances of the Pico board's analogue front end, against the kernel's thresholds.",
        epilog="The same seed draws the same picture, byte for byte. Nothing has been built: these are computed figures.",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of the Monte Carlo run (default: %(default)s)")
    parser.add_argument(
        "--runs", type=int, default=RUNS, help="draws for each row, 1000..100000 (default: %(default)s)"
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help="redraw bands.svg and the tables of README.md there, e.g. boards/pico_serial",
    )
    args = parser.parse_args(argv)
    if not 1000 <= args.runs <= 100_000:
        parser.error("--runs must be 1000..100000")
    text, holds = report(args.seed, args.runs)
    print(text, end="")
    if args.write is not None:
        from pilotwire.boards.pico_serial.bands_picture import draw  # noqa: PLC0415 - only when it is wanted

        (args.write / "bands.svg").write_text(draw(args.seed, args.runs), encoding="utf-8")
        page = args.write / "README.md"
        page.write_text(filled(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
