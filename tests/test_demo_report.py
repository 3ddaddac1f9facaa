"""The report folder of a demo, and the energy arithmetic the demo judges itself with."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pilotwire.tools.demo.energy import disagreement, integrate_power_wh
from pilotwire.tools.demo.report import DPI, write_report

ZERO_MS = 1_000_000
"""The trace's clock does not begin at the session."""
UNIX_AT_ZERO_MS = 1_760_000_000_000
MARKS = [
    (ZERO_MS + 3000, "plug in"),
    (ZERO_MS + 4000, "authorised"),
    (ZERO_MS + 30_000, "limit lowered to 16 A"),
    (ZERO_MS + 55_000, "unplug"),
]
SUMMARY = {"name": "Synthetic", "note": "made of arithmetic, costs 1 $ & <nothing>", "energy_wh": 212, "list": [1, "ü"]}


def made_session() -> list[dict[str, Any]]:
    """60 s: plug at 3 s, three phases at 32 A from 6 s with a ramp, 16 A from 30 s, unplug at 55 s."""
    rows: list[dict[str, Any]] = []
    amps = energy_wh = 0.0
    for t_ms in range(0, 60_001, 100):
        plugged, pwm, closed = 3000 <= t_ms < 55_000, 4000 <= t_ms < 55_000, 6000 <= t_ms < 55_000
        target = 0.0 if not 6000 <= t_ms < 54_000 else 32.0 if t_ms < 30_000 else 16.0
        before, amps = amps, amps + max(-4.0, min(1.0, target - amps))
        energy_wh += 3 * 230 * (before + amps) / 2 * 0.1 / 3600
        high_mv = 12_000 if not plugged else 6000 if 6000 <= t_ms < 54_000 else 8980
        rows.append(
            {
                "t_ms": ZERO_MS + t_ms,
                "cp_high_mv": high_mv,
                "cp_low_mv": -12_000 if pwm else high_mv,
                "duty_permyriad": 10_000 if not pwm else 5333 if t_ms < 30_000 else 2666,
                "coil": int(closed),
                "closed": int(closed),
                "current_a": [amps, amps, amps],
                "power_w": 3 * 230 * amps,
                "energy_wh": 5000 + energy_wh,
            }
        )
    return rows


def readings_of(trace: list[dict[str, Any]], clock: str = "at_ms", zero_ms: float = 0.0) -> list[dict[str, Any]]:
    """What a meter that starts at another register says once a second."""
    return [
        {clock: row["t_ms"] + zero_ms, "power_w": row["power_w"], "energy_import_wh": row["energy_wh"] + 777.0}
        for row in trace[::10]
    ]


def written(folder: Path, **other: Any) -> tuple[str, list[Path]]:
    """Write a report of the made session with some arguments replaced; returns the SVG's text and the paths."""
    trace = made_session()
    arguments = {"trace": trace, "readings": readings_of(trace), "marks": MARKS, "summary": SUMMARY, **other}
    paths = write_report(folder, **arguments)
    return paths[1].read_text(encoding="utf-8"), paths


def words_in(svg: str) -> set[str]:
    """Every text that stands in the picture."""
    return {"".join(node.itertext()).strip() for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_the_report_folder_is_made_and_holds_summary_and_both_pictures(tmp_path: Path) -> None:
    _, paths = written(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["session.json", "session.svg", "session.png"]
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(path.name for path in paths)
    document = paths[0].read_text(encoding="utf-8")
    assert json.loads(document) == SUMMARY
    assert document.startswith('{\n  "name": "Synthetic"')
    assert document.endswith("}\n")


def test_the_svg_names_quantities_units_marks_and_results(tmp_path: Path) -> None:
    words = words_in(written(tmp_path)[0])
    energy_wh = made_session()[-1]["energy_wh"] - 5000
    assert 200 < energy_wh < 230
    assert f"Synthetic: {energy_wh:.1f} Wh in 60 s, peak 22.1 kW, contactor closed once" in words
    assert SUMMARY["note"] in words
    assert {label for _, label in MARKS} <= words
    assert {
        "the car (V)",
        "duty (%)",
        "allows",
        "32 A",
        "current (A)",
        "power (kW)",
        "energy (Wh)",
        "time (s)",
    } <= words
    assert {"high level", "low level", "contactor closed", "L1", "L2", "L3", "power (right)"} <= words
    assert f"circuit, {energy_wh:.1f} Wh" in words
    assert f"meter as the station read it, {energy_wh:.1f} Wh" in words


def test_the_png_is_a_picture_with_every_curve_in_it(tmp_path: Path) -> None:
    _, paths = written(tmp_path)
    with Image.open(paths[2]) as image:
        image.verify()
    with Image.open(paths[2]) as image:
        assert image.format == "PNG"
        assert image.width == 11 * DPI
        pixels = np.asarray(image.convert("RGB"))
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    seen = {"#{:02X}{:02X}{:02X}".format(*colour): int(count) for colour, count in zip(colours, counts, strict=True)}
    # Curves in blue, vermilion, orange, green and black, and the shade behind them.
    for colour in ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#000000"):
        assert seen.get(colour, 0) > 300, colour
    shaded = seen["#E4EEF5"] / pixels[..., 0].size
    assert 0.3 < shaded < 0.7


def test_the_shade_covers_the_time_in_which_the_contactor_is_closed_in_all_four_plots(tmp_path: Path) -> None:
    _, paths = written(tmp_path, marks=[])
    with Image.open(paths[2]) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    shade = np.all(np.abs(pixels - [0xE4, 0xEE, 0xF5]) <= 2, axis=2)
    columns = np.nonzero(shade.sum(axis=0) > pixels.shape[0] * 0.3)[0]
    left, right = (0.075 * pixels.shape[1], 0.925 * pixels.shape[1])
    first_s, last_s = ((column - left) / (right - left) * 60.0 for column in (columns[0], columns[-1]))
    assert first_s == pytest.approx(6.0, abs=0.15)
    assert last_s == pytest.approx(55.0, abs=0.15)
    rows = shade[:, int(columns[0]) + 3]
    stretches = int(np.count_nonzero(np.diff(rows.astype(int)) == 1))
    assert stretches >= 4


def test_equal_input_gives_equal_files_whatever_the_user_has_configured(tmp_path: Path) -> None:
    _, first = written(tmp_path / "first")
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "red", "svg.hashsalt": None}):
        _, second = written(tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert b"<dc:date>" not in first[1].read_bytes()
    assert dict(matplotlib.rcParams) == before


def meter_dots(svg: str) -> list[float]:
    """The horizontal places of the meter's dots, in points."""
    group = svg[svg.index('<g id="axes_4">') : svg.index('<g id="legend_4">')]
    return [
        float(x)
        for x in re.findall(r'<use xlink:href="#m[0-9a-f]+" x="([\d.]+)" y="[\d.]+" style="stroke: #000000"', group)
    ]


def test_readings_by_wall_clock_lie_where_readings_by_the_trace_clock_lie(tmp_path: Path) -> None:
    trace = made_session()[:-50]
    same, _ = written(tmp_path, trace=trace, readings=readings_of(trace))
    wall = readings_of(trace, "unix_ms", UNIX_AT_ZERO_MS)
    placed, _ = written(tmp_path, trace=trace, readings=wall, unix_at_trace_zero_ms=UNIX_AT_ZERO_MS)
    assert placed == same
    late, _ = written(tmp_path, trace=trace, readings=wall, unix_at_trace_zero_ms=UNIX_AT_ZERO_MS - 2000)
    shifted = [there - here for here, there in zip(meter_dots(same), meter_dots(late), strict=False)]
    assert len(meter_dots(same)) > 50
    assert max(shifted) - min(shifted) < 0.01
    assert min(shifted) > 10


def test_a_guessed_place_in_time_is_confessed_in_the_picture(tmp_path: Path) -> None:
    wall = readings_of(made_session(), "unix_ms", UNIX_AT_ZERO_MS + 5)
    guessed, _ = written(tmp_path, readings=wall)
    assert "start laid on the start of the trace" in guessed
    told, _ = written(tmp_path, readings=wall, unix_at_trace_zero_ms=UNIX_AT_ZERO_MS)
    assert "start laid" not in told


def test_a_session_that_hardly_began_still_gives_a_picture(tmp_path: Path) -> None:
    svg, _ = written(tmp_path, trace=made_session()[:1], readings=[], marks=[], summary={})
    assert "Charging session: 0.0 Wh in 0 s, peak 0.0 kW, contactor closed 0 times" in words_in(svg)


def label_boxes(svg: str, labels: list[str]) -> list[tuple[float, float, float]]:
    """(left, right, base line) of each mark's words, by a cautious width of a letter."""
    boxes = []
    for label in labels:
        found = re.search(rf'<text style="([^"]*)" (?:x="([\d.]+)" y="([\d.]+)" )?[^>]*>{re.escape(label)}</text>', svg)
        assert found, label
        style, x, y = found[1], float(found[2]), float(found[3])
        width = 4.2 * len(label)
        boxes.append((x - width, x, y) if "text-anchor: end" in style else (x, x + width, y))
    return boxes


def test_labels_of_marks_close_to_each_other_do_not_overlap(tmp_path: Path) -> None:
    labels = [f"something happened {index:02d}" for index in range(12)]
    marks = [(ZERO_MS + 20_000 + 400 * index, label) for index, label in enumerate(labels)]
    edge = [(ZERO_MS + 59_000, "close to the edge, and long"), (ZERO_MS + 59_500, "closer to the edge, and longer")]
    svg, _ = written(tmp_path, marks=marks + edge)
    boxes = label_boxes(svg, labels + [label for _, label in edge])
    for index, (left, right, base) in enumerate(boxes):
        assert right < 11 * 72
        for other_left, other_right, other_base in boxes[:index]:
            assert right <= other_left or other_right <= left or abs(base - other_base) > 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"power_w": None}, "trace row 7: power_w must be a finite number, got None"),
        ({"cp_high_mv": "9 V"}, "trace row 7: cp_high_mv must be a finite number, got '9 V'"),
        ({"energy_wh": math.nan}, "trace row 7: energy_wh must be a finite number, got nan"),
        ({"current_a": [1, 2]}, "trace row 7: current_a must be three numbers (A), got [1, 2]"),
        ({"t_ms": 5}, "trace row 7: t_ms 5 lies before the row above it"),
    ],
)
def test_a_bad_trace_row_is_named_and_nothing_is_written(tmp_path: Path, change: Mapping[str, Any], words: str) -> None:
    trace = made_session()
    trace[7].update(change)
    with pytest.raises(ValueError, match=re.escape(words)):
        write_report(tmp_path / "folder", trace, [], [], {})
    assert not (tmp_path / "folder").exists()


def test_an_empty_trace_and_a_bad_reading_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trace: no rows"):
        write_report(tmp_path, [], [], [], {})
    with pytest.raises(ValueError, match="reading 1: unix_ms must be a finite number"):
        write_report(tmp_path, made_session(), [readings_of(made_session())[0], {"power_w": 1}], [], {})


def test_a_summary_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path / "folder", made_session(), [], [], {"energy_wh": math.nan})
    assert not (tmp_path / "folder").exists()


def test_constant_power_gives_power_times_time() -> None:
    assert integrate_power_wh([(0, 3600.0), (1000, 3600.0)]) == pytest.approx(1.0)
    assert integrate_power_wh([(0, 7400.0), (1_800_000, 7400.0), (3_600_000, 7400.0)]) == pytest.approx(7400.0)


def test_a_ramp_gives_the_area_of_its_triangle_at_any_sampling() -> None:
    for step_ms in (7, 100, 997):
        points = [(t_ms, 22_000.0 * t_ms / 60_000) for t_ms in [*range(0, 60_000, step_ms), 60_000]]
        assert integrate_power_wh(points) == pytest.approx(22_000.0 * 60 / 2 / 3600)


def test_a_half_sine_agrees_with_its_analytic_area() -> None:
    points = [(float(t_ms), 1000.0 * math.sin(math.pi * t_ms / 10_000)) for t_ms in range(0, 10_001, 10)]
    assert integrate_power_wh(points) == pytest.approx(1000.0 * 2 / math.pi * 10 / 3600, rel=1e-5)


def test_one_sample_spans_no_time_and_a_step_adds_nothing() -> None:
    assert integrate_power_wh([]) == integrate_power_wh([(5, 1e6)]) == 0.0
    assert integrate_power_wh([(0, 0.0), (1000, 0.0), (1000, 7200.0), (2000, 7200.0)]) == pytest.approx(2.0)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(-1e5, 1e5)), min_size=2, max_size=40), st.data())
def test_energy_of_two_parts_is_energy_of_the_whole(points: list[tuple[int, float]], data: st.DataObject) -> None:
    points.sort(key=lambda point: point[0])
    cut = data.draw(st.integers(0, len(points) - 1))
    parts = integrate_power_wh(points[: cut + 1]) + integrate_power_wh(points[cut:])
    assert parts == pytest.approx(integrate_power_wh(points), rel=1e-9, abs=1e-6)


def test_power_out_of_order_or_not_a_number_is_refused_by_its_index() -> None:
    with pytest.raises(ValueError, match="point 2: 500 ms lies before 1000 ms"):
        integrate_power_wh([(0, 1.0), (1000, 1.0), (500, 1.0)])
    with pytest.raises(ValueError, match="point 1"):
        integrate_power_wh([(0, 1.0), (1000, math.nan)])


def test_disagreement_is_the_largest_distance_from_the_mean() -> None:
    assert disagreement({"a": 99.0, "b": 101.0}) == pytest.approx(0.01)
    assert disagreement({"a": 100.0, "b": 100.0, "c": 100.0, "d": 104.0}) == pytest.approx(3 / 101)
    assert disagreement({"a": -99.0, "b": -101.0}) == pytest.approx(0.01)
    assert disagreement({"a": 0.0, "b": 0.0}) == 0.0
    assert disagreement({"a": -1.0, "b": 1.0}) == math.inf


@pytest.mark.parametrize("values", [{}, {"alone": 1.0}, {"a": 1.0, "b": math.nan}, {"a": 1.0, "b": math.inf}])
def test_nothing_to_compare_never_counts_as_agreement(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least two values|b: (nan|inf)"):
        disagreement(values)
