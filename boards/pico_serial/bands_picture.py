"""Draws bands.svg: what the kernel is told of cars and cables, above the thresholds that the kernel has.

Plain text out, no library, every number rounded to a tenth: the same seed gives the same bytes.
"""

from __future__ import annotations

import random

from pilotwire.boards.pico_serial import analogue, circuits, pilot_wire
from pilotwire.boards.pico_serial.analogue import CABLE_PART, CABLES
from pilotwire.boards.pico_serial.spreads import Spread
from pilotwire.firmware.kernel import bands

WIDTH = 1000
LEFT = 230
RIGHT = 970
ROW = 26
FONT = 'font-family="DejaVu Sans, Arial, sans-serif"'
NAMES = {bands.A: "A", bands.B: "B", bands.C: "C", bands.D: "D", bands.E: "E", bands.F: "F"}
FILL = {"A": "#dbe9f6", "B": "#d9f0d3", "C": "#fde3c0", "D": "#f6d5d5", "E": "#e6e0ee", "F": "#dddddd"}
CABLE_FILL = {13000: "#dbe9f6", 20000: "#d9f0d3", 32000: "#fde3c0", 63000: "#f6d5d5"}
AS_BUILT, FINE = "#8a4b08", "#0b4f8a"


class Axis:
    """A straight scale from values to the picture's x."""

    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._span = high - low

    def x(self, value: float) -> float:
        """Where a value stands; what lies outside stands at the edge."""
        share = min(max((value - self._low) / self._span, 0.0), 1.0)
        return LEFT + share * (RIGHT - LEFT)


def draw(seed: int, runs: int) -> str:
    """The whole picture."""
    rng = random.Random(seed)
    body = [_text(20, 28, "Pilot wire: what the kernel is told, and its bands", 16)]
    body += _legend(46)
    bottom = _pilot(body, 70, rng, runs)
    body.append(_text(20, bottom + 40, "Proximity: codes of the ADC, and the kernel's windows", 16))
    bottom = _cables(body, bottom + 56, rng, runs)
    body.append(
        _text(20, bottom + 30, f"Computed, not measured. Monte Carlo: {runs} draws in each row, seed {seed}.", 11)
    )
    height = bottom + 44
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" {FONT}>'
    return "\n".join([head, _box(0, 0, WIDTH, height, "#ffffff"), *body, "</svg>"]) + "\n"


def _pilot(body: list[str], top: int, rng: random.Random, runs: int) -> int:
    axis = Axis(-13500.0, 13500.0)
    rows = list(pilot_wire.cp_rows(rng, runs))
    bottom = top + 24 + ROW * len(rows)
    for band, name in NAMES.items():
        low, high = pilot_wire.edges_of(band, bands.INVALID)
        wide_low, wide_high = pilot_wire.edges_of(band, band)
        # The hysteresis that a band has while it is the present one, beside it.
        for fill, first, last in ((FILL[name], wide_low, wide_high), (FILL[name], low, high)):
            body.append(_box(axis.x(first), top, axis.x(last) - axis.x(first), bottom - top, fill, opacity=0.45))
        body.append(_text((axis.x(low) + axis.x(high)) / 2, top + 16, name, 13, "middle"))
    for row, (name, _, spreads) in enumerate(rows):
        y = top + 24 + ROW * row
        body.append(_text(20, y + 16, name, 12))
        _bars(body, axis, y, spreads)
    for volt in range(-12, 13, 3):
        x = axis.x(1000.0 * volt)
        body.append(_line(x, bottom, x, bottom + 5))
        body.append(_text(x, bottom + 18, f"{volt} V", 11, "middle"))
    body.append(_line(LEFT, bottom, RIGHT, bottom))
    return bottom + 18


def _cables(body: list[str], top: int, rng: random.Random, runs: int) -> int:
    axis = Axis(0.0, 65536.0)
    bottom = top + 24 + ROW * (len(CABLES) + 1)
    for ma, _, _ in CABLES:
        low, high = analogue.pp_window(ma)
        body.append(_box(axis.x(low), top, axis.x(high) - axis.x(low), bottom - top, CABLE_FILL[ma], opacity=0.9))
        body.append(_text((axis.x(low) + axis.x(high)) / 2, top + 16, f"{ma // 1000} A", 12, "middle"))
    open_ohm = circuits.OPEN_PP_OHM
    named = [
        (f"{nominal:.0f} Ω, {100 * CABLE_PART:.0f} %", (nominal * (1 - CABLE_PART), nominal * (1 + CABLE_PART)))
        for _, nominal, _ in CABLES
    ]
    for row, (name, ohm) in enumerate([*named, ("nothing connected", (open_ohm, open_ohm))]):
        y = top + 24 + ROW * row
        body.append(_text(20, y + 16, name, 12))
        _bars(body, axis, y, [analogue.pp_spread(ohm, calibrated, rng, runs) for calibrated in (False, True)])
    for code in range(0, 65537, 8192):
        x = axis.x(float(code))
        body.append(_line(x, bottom, x, bottom + 5))
        body.append(_text(x, bottom + 18, str(code), 11, "middle"))
    body.append(_line(LEFT, bottom, RIGHT, bottom))
    return bottom + 18


def _bars(body: list[str], axis: Axis, y: float, spreads: list[Spread]) -> None:
    for each, colour, at in zip(spreads, (AS_BUILT, FINE), (8.0, 17.0), strict=True):
        low, high = axis.x(each.low), axis.x(each.high)
        body.append(_box(low, y + at - 1, max(high - low, 1.0), 2, colour))
        usual_low, usual_high = axis.x(each.usual_low), axis.x(each.usual_high)
        body.append(_box(usual_low, y + at - 3.5, max(usual_high - usual_low, 1.0), 7, colour))


def _legend(y: int) -> list[str]:
    entries = ((AS_BUILT, "as built, at rest"), (FINE, "calibrated, square wave of 5 % and largest capacitance"))
    lines = []
    x = 20
    for colour, words in entries:
        lines += [_box(x, y - 8, 30, 7, colour), _text(x + 38, y, words, 11)]
        x += 180
    lines.append(_text(570, y, "thin: worst case; thick: 99.8 % of Monte Carlo; pale rims: hysteresis", 11))
    return lines


def _text(x: float, y: float, words: str, size: int, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{words}</text>'


def _box(x: float, y: float, width: float, height: float, fill: str, *, opacity: float = 1.0) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" fill-opacity="{opacity:g}"/>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#333333"/>'
