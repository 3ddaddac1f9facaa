"""What the analogue front end of this board makes of cars, cables, currents and temperatures, with the tolerances of its parts.

    python -m pilotwire.boards.pico_serial.analogue [--help]

computes the worst corner of the tolerances and a Monte Carlo run, compares both with the thresholds that the kernel has (they
are imported, not repeated), prints the claims of README.md with their margins, and draws bands.svg. Exit status 1 when a claim
does not hold. Host Python, nothing but the standard library; the circuits are in README.md, the models in circuits.py,
pilot_wire.py, pump.py and protection.py.

[K] engineering knowledge, [R] recalled from a data sheet that was not opened for this: check before you build. [S] the project's
fact sheet on IEC 61851-1, which names its source.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from pilotwire.boards.pico_serial import circuits, parts, pilot_wire, protection, pump
from pilotwire.boards.pico_serial.spreads import LESS, MORE, Claim, Range, Spread, Values, spread
from pilotwire.firmware.kernel import current, heat, proximity, times
from pilotwire.firmware.pilot import calibration, frontend
from pilotwire.firmware.pilot.program import TICK_MS

INPUT_V = 3.2  # a comparator's or buffer's input must not rise above the least 3.3 V of a Pico [K]
SEED = 61851
RUNS = 4000

# Cables (section 3 [S]): rated current in mA, nominal resistor, what has to be accepted.
CABLES = ((13000, 1500.0, (1100.0, 2460.0)), (20000, 680.0, (400.0, 936.0)), (32000, 220.0, (164.0, 308.0)),
          (63000, 100.0, (80.0, 140.0)))  # fmt: skip
CABLE_PART = 0.03  # tolerance of a cable's resistor [K]


def pp_spread(ohm: Range, calibrated: bool, rng: random.Random, runs: int) -> Spread:
    """Code that the kernel's resistance is computed from, for a cable's resistor in this range."""

    def reading(values: Values) -> float:
        return circuits.pp_code(values, values["cable"], calibrated)

    return spread(reading, {**circuits.ranges("PP", calibrated=calibrated), "cable": ohm}, rng, runs)


def other_claims(rng: random.Random, runs: int) -> list[Claim]:
    """Everything but the bands of the pilot wire."""
    claims = pilot_wire.low_claims(rng, runs)
    claims += pilot_wire.generator_claims()
    claims.append(_correction_claim("CP", calibration.CP))
    claims.append(_correction_claim("PP", calibration.PP))
    claims += pp_claims(rng, runs)
    claims += current_claims()
    claims += temperature_claims()
    claims += pump_claims()
    claims += protection_claims()
    return claims


def protection_claims() -> list[Claim]:
    """Foreign voltages, surges and shorts. 5 mA is what 74-series inputs and the ADC's pads bear [K]."""
    low_v = circuits.ranges("CP")["vref"][0]
    claims = [
        Claim("CP at the buffer, ±13.2 V at the plug", protection.buffer_v(), (0.0, low_v), "V"),
        Claim("CP power in R4, 13.2 V against -12 V", (0.0, protection.source_w()), (LESS, protection.SOURCE_W), "W"),
    ]
    for words, volt in protection.FOREIGN_PP_V.items():
        given = protection.reference_ma(volt)
        claims.append(Claim(f"U1 gives current, PP on {words}", given, (0.0, protection.REFERENCE_MA), "mA dc"))
    for block in protection.SURGE_V:
        claims.append(Claim(f"{block} current of a clamp", (0.0, protection.clamp_ua(block)), (LESS, 5000.0), "µA"))
    return claims


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
                Claim(f"PP {ma // 1000} A, least {accepted[0]:.0f} Ω", (least.low, MORE), (window[0], MORE), "codes")
            )
    none = pp_spread((circuits.OPEN_PP_OHM, circuits.OPEN_PP_OHM), False, rng, runs)
    claims.append(Claim("PP nothing connected", (none.low, MORE), (pp_window(13000)[1], MORE), "codes"))
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
    """The charge pump between the kernel's own idea of it and the 100 ms.

    The kernel takes every tick up to OVERRUN_MS for one in which the coils were held, however many of these follow each other.
    """
    slow, fast = (pump.hold_ms(turn_ms) for turn_ms in (float(times.OVERRUN_MS), float(TICK_MS)))
    least_ms, most_ms = min(slow[0], fast[0]), max(slow[1], fast[1])
    running_v = pump.running_v()
    return [
        Claim("pump holds, wave as slow as may be", slow, (times.OVERRUN_MS, 100.0 - pump.RELEASE_MS), "ms"),
        Claim("pump holds after the last turn", fast, (times.OVERRUN_MS, 100.0 - pump.RELEASE_MS), "ms"),
        Claim(
            "contacts open after the last turn", (least_ms, most_ms + pump.RELEASE_MS), (times.OVERRUN_MS, 100.0), "ms"
        ),
        Claim("pump voltage while the wave runs", running_v, (pump.threshold_v()[1], INPUT_V), "V"),
        Claim("alive wave, a turn in each tick", (1000 / (2 * TICK_MS), MORE), (100.0, MORE), "Hz"),
        Claim("coil current below release, with D9", (0.0, pump.coil_decay_ms()), (LESS, 5.0), "ms"),
    ]


def all_claims(seed: int, runs: int) -> list[Claim]:
    """Every claim of README.md."""
    rng = random.Random(seed)
    return [claim for _, claims, _ in pilot_wire.cp_rows(rng, runs) for claim in claims] + other_claims(rng, runs)


def report(seed: int, runs: int) -> tuple[str, bool]:
    """The text, and whether all claims hold."""
    claims = all_claims(seed, runs)
    lines = [
        f"Monte Carlo: {runs} draws, seed {seed}; worst case: the worst corner of all tolerances.",
        "",
        "| claim | worst case | allowed | margin |",
        "|---|---|---|---|",
    ]
    for each in claims:
        low, high = (_number(value, each.unit) for value in each.worst)
        least, most = (_number(value, each.unit) for value in each.limits)
        margin = _number(each.margin, each.unit)
        wrong = "" if each.margin >= 0 else " **does not hold**"
        worst, allowed = f"{low} .. {high}", f"{least} .. {most}"
        if each.limits[0] == LESS:
            worst, allowed = high, f"at most {most}"
        elif each.limits[1] == MORE:
            worst, allowed = low, f"at least {least}"
        unit = each.unit.removesuffix(" dc")
        lines.append(f"| {each.text} | {worst} {unit} | {allowed} | {margin}{wrong} |")
    lines += [
        "",
        "A car without a diode is found in C in every case, and in B while its resistor is below "
        f"{pilot_wire.largest_blind_rb_ohm():.0f} Ω.",
    ]
    return "\n".join(lines) + "\n", all(each.margin >= 0 for each in claims)


def _number(value: float, unit: str) -> str:
    digits = {"V": 2, "µs": 1, "ms": 1, "K": 1, "A": 1, "W": 2, "mA dc": 1}.get(unit, 0)
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
