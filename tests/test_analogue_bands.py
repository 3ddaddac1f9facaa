"""The analogue front end: its tolerances against the kernel's own thresholds, and the pages that are written from them."""

from __future__ import annotations

import dataclasses
import math
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilotwire.boards.pico_serial import analogue, circuits, parts, pilot_wire, pump, spreads
from pilotwire.boards.pico_serial.bands_picture import draw
from pilotwire.boards.pico_serial.pins import PINS
from pilotwire.firmware.kernel import bands, diode, proximity, times
from pilotwire.firmware.pilot import frontend, rp2040_scales
from pilotwire.firmware.pilot.program import TICK_MS

BOARD = Path(__file__).resolve().parent.parent / "boards" / "pico_serial"
RUNS = 10


@pytest.fixture(scope="module")
def report() -> tuple[str, bool]:
    return analogue.report(analogue.SEED, analogue.RUNS)


Spoil = Callable[[str, float | None, float | None], None]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spoil]:
    """Replace one part of the list for the length of a test."""
    circuits._ranges.cache_clear()

    def change(ref: str, nominal: float | None, spread: float | None) -> None:
        old = parts.part(ref)
        new = dataclasses.replace(
            old,
            nominal=old.nominal if nominal is None else nominal,
            spread=old.spread if spread is None else spread,
        )
        monkeypatch.setitem(parts._BY_REF, ref, new)
        circuits._ranges.cache_clear()

    yield change
    monkeypatch.undo()
    circuits._ranges.cache_clear()


def broken() -> list[str]:
    """Claims that do not hold with the parts as they are now."""
    return [each.text for each in analogue.all_claims(analogue.SEED, RUNS) if each.margin < 0]


def test_every_claim_holds_in_every_corner_of_the_tolerances(report: tuple[str, bool]) -> None:
    text, holds = report
    assert holds, text
    assert text.count("\n| ") > 40


def test_the_readme_has_the_figures_and_the_parts_that_the_script_computes(report: tuple[str, bool]) -> None:
    readme = (BOARD / "README.md").read_text(encoding="utf-8")
    assert analogue.filled(readme, report[0]) == readme, "python -m pilotwire.boards.pico_serial.analogue --write DIR"
    assert parts.table() in readme


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the marks <!-- parts -->"):
        analogue.filled("<!-- figures -->\n<!-- end of figures -->\n", "figures")


def test_the_picture_is_the_one_that_the_script_draws() -> None:
    assert (BOARD / "bands.svg").read_text(encoding="utf-8") == draw(analogue.SEED, analogue.RUNS)


@pytest.mark.parametrize(
    ("ref", "nominal", "spread", "claim"),
    [
        ("R4", None, 0.05, "CP source resistance"),
        ("R3", 27_000.0, None, "CP high level, open, at the wire"),
        ("R8", None, 0.20, "CP B  any car, as built, at rest"),  # 20 % instead of 0.1 %
        ("R8", None, 0.014, "CP B  any car, as built, at rest"),  # and 1 % already
        ("R5", 4_000.0, None, "CP B  any car, as built, at rest"),
        ("R10", None, 0.20, "PP 32 A, least 164 Ω"),
        ("C1", 2.2e-9, None, "CP rise, B, 10..90 %"),
        ("C1", 10e-12, None, "CP capacitance of the board"),
        ("R25", 100_000.0, None, "CT error at 32 A, as built"),
        ("R27", 22_000.0, None, "CT no current, as built"),  # leakage through it
        ("R27", 2_200.0, None, "CT current of a clamp"),
        ("R11", 2_200.0, None, "PP current of a clamp"),
        ("C20, C21", 1e-6, None, "CT 80 A fallen below 1 A"),
        ("C20, C21", 100e-9, None, "CT ripple at 32 A, 50 Hz"),
        ("C40, C42", 1.0e-6, None, "pump holds, wave as slow as may be"),
        ("C41", 2.2e-6, None, "contacts open after the last turn"),
        ("R40", 20_000.0, None, "pump holds after the last turn"),
        ("R40", None, 0.20, "contacts open after the last turn"),
        ("R42", 20_000.0, None, "pump holds after the last turn"),
        ("D9, D10", 3.0, None, "coil current below release, with D9"),
        ("R30, R31", None, 0.10, "NTC error at 70 °C"),
        ("R9", 10_000.0, None, "U1 gives current, PP on 5 V + 10 %"),
        ("R9", 130.0, None, "U1 gives current, PP on 12 V"),
        ("R4", 500.0, None, "CP power in R4, 13.2 V against -12 V"),
        ("R7", 100_000.0, None, "CP at the buffer, ±13.2 V at the plug"),
    ],
)
def test_a_wrong_part_is_found(spoil: Spoil, ref: str, nominal: float | None, spread: float | None, claim: str) -> None:
    spoil(ref, nominal, spread)
    assert claim in broken()


def test_the_worst_corner_that_is_walked_to_is_the_worst_of_all_corners() -> None:
    def as_built(ohm: float, high: bool) -> Callable[[spreads.Values], float]:
        def reading(values: spreads.Values) -> float:
            wire_v = circuits.cp_wire_v(values, ohm, values["vd"], high, True)
            return circuits.cp_reading_mv(values, wire_v, False)

        return reading

    ranges = {**circuits.ranges("CP"), "vd": pilot_wire.DIODE_V}
    models = [(as_built(ohm, high), ranges) for ohm in (0.01, 254.0, 882.0, 2740.0) for high in (True, False)]
    models += [(lambda values: pump._hold_ms(values, 40.0), pump._ranges()), (pump._threshold_v, pump._ranges())]
    for model, where in models:
        every = [model(values) for values in spreads.corners(where)]
        assert spreads.extremes(model, where) == (min(every), max(every))


def test_a_model_that_bends_between_the_ends_of_a_tolerance_is_refused() -> None:
    with pytest.raises(AssertionError, match="not monotonic"):
        spreads.spread(lambda values: math.sin(values["x"]), {"x": (0.0, math.pi)}, random.Random(1), 100)


def test_the_pump_holds_from_turn_to_turn_of_the_slowest_wave_that_is_no_fault() -> None:
    """Turn by turn, against the closed form that the claims use."""
    for turn_ms in (float(TICK_MS), float(times.OVERRUN_MS)):
        middle = {name: (low + high) / 2 for name, (low, high) in pump._ranges().items()}
        tau_ms = middle["bleed"] * middle["store"] * 1000
        level_v = 0.0
        for _ in range(200):
            level_v *= math.exp(-turn_ms / tau_ms)
            given = middle["couple"] * (middle["ref"] - 2 * middle["drop"])
            level_v = (middle["store"] * level_v + given) / (middle["store"] + middle["couple"])
        fall_ms = 0.0
        while level_v * math.exp(-fall_ms / tau_ms) > pump._threshold_v(middle) and fall_ms < 1000:
            fall_ms += 0.01
        assert pump._hold_ms(middle, turn_ms) == pytest.approx(fall_ms, abs=0.02)


def test_the_thresholds_are_the_kernels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "EDGES_MV", ((bands.A, 9700), *bands.EDGES_MV[1:]))
    assert "CP B  any car, calibrated, 5 % duty" in broken()


def test_a_stricter_diode_test_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diode, "MAX_MV", -12_000)
    assert "CP low level with a diode" in broken()


def test_another_window_for_cables_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proximity, "ROWS", tuple((175 if ohm == 140 else ohm, ma) for ohm, ma in proximity.ROWS))
    assert "PP 32 A, least 164 Ω" in broken()


def test_the_circuit_reads_what_the_program_expects_where_every_part_is_nominal() -> None:
    middle = {name: (low + high) / 2 for name, (low, high) in circuits.ranges("CP").items()}
    for volt in (-12.0, -3.0, 0.0, 6.0, 9.0, 12.0):
        assert circuits.cp_reading_mv(middle, volt, calibrated=False) == pytest.approx(1000 * volt, abs=15)
    code = circuits.pp_code({"rs": 1000.0, "contact": 0.0, "adc": 0.0}, 680.0, calibrated=False)
    assert frontend.pp_ohm(round(code)) == pytest.approx(680, abs=1)
    low, high = circuits.temperature_codes(70.0, 25.0)
    assert rp2040_scales.ntc_ddeg(round(low)) >= 665
    assert rp2040_scales.ntc_ddeg(round(high)) <= 285


def test_every_pin_stands_in_the_readme() -> None:
    readme = (BOARD / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", readme, re.M))
    named = {name: number for name, number in vars(PINS).items() if isinstance(number, int)}
    assert {str(number): name for name, number in named.items()} | {
        str(number): f"mux_address_{bit}" for bit, number in enumerate(PINS.mux_address)
    } == rows
