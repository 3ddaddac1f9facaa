"""The analogue front end: its tolerances against the kernel's own thresholds, and the pages that are written from them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pilotwire.boards.pico_serial import analogue, circuits, parts
from pilotwire.boards.pico_serial.bands_picture import draw
from pilotwire.boards.pico_serial.pins import PINS
from pilotwire.firmware.kernel import bands, diode, proximity
from pilotwire.firmware.pilot import frontend, rp2040_scales

BOARD = Path(__file__).resolve().parent.parent / "boards" / "pico_serial"
RUNS = 100


@pytest.fixture(scope="module")
def report() -> tuple[str, bool]:
    return analogue.report(analogue.SEED, analogue.RUNS)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Replace one part of the list for the length of a test."""
    circuits._ranges.cache_clear()

    def change(ref: str, **fields: float) -> None:
        monkeypatch.setitem(parts._BY_REF, ref, dataclasses.replace(parts.part(ref), **fields))
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
    ("ref", "fields", "claim"),
    [
        ("R4", {"spread": 0.05}, "CP source resistance"),
        ("R3", {"nominal": 27_000.0}, "CP high level, open, at the wire"),
        ("R8", {"spread": 0.10}, "CP B  any car, as built, at rest"),
        ("R10", {"spread": 0.20}, "PP 32 A, least 164 Ω"),
        ("C1", {"nominal": 2.2e-9}, "CP rise, B, 10..90 %"),
        ("C1", {"nominal": 10e-12}, "CP capacitance of the board"),
        ("R25", {"nominal": 100_000.0}, "CT error at 32 A, as built"),
        ("C20, C21", {"nominal": 1e-6}, "CT 80 A fallen below 1 A"),
        ("C20, C21", {"nominal": 100e-9}, "CT ripple at 32 A, 50 Hz"),
        ("C40, C41", {"nominal": 4.7e-6}, "contacts open after the last turn"),
        ("R40", {"nominal": 20_000.0}, "pump holds after the last turn"),
        ("D9, D10", {"nominal": 3.0}, "coil current below release, with D9"),
        ("R30, R31", {"spread": 0.10}, "NTC error at 70 °C"),
        ("R5", {"nominal": 4_000.0}, "CP B  any car, as built, at rest"),
    ],
)
def test_a_wrong_part_is_found(spoil, ref: str, fields: dict[str, float], claim: str) -> None:  # type: ignore[no-untyped-def]
    spoil(ref, **fields)
    assert claim in broken()


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
