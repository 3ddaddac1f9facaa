"""The report folder of one session: its summary as JSON and one picture, as SVG and PNG, of what happened.

The picture shows four aligned quantities over seconds: pilot voltage as the car sees it, duty with the current it allows,
current and power, energy by the circuit and by the meter. Equal input gives equal files, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pilotwire.tools.demo.glance import number, text

# Okabe and Ito's colours: told apart with every common kind of colour blindness; line styles differ as well.
BLACK, BLUE, VERMILION, ORANGE, GREEN, GREY = "#000000", "#0072B2", "#D55E00", "#E69F00", "#009E73", "#767676"
CLOSED_SHADE = "#E4EEF5"
ALLOWED_A = {10.0: "6 A", 100 * 16 / 60: "16 A", 100 * 32 / 60: "32 A", 80.0: "48 A", 100.0: "none"}
"""Duty in percent at which the right axis of the duty plot names the current (IEC 61851-1, table A.8)."""
WIDTH_IN, ROW_IN, DPI = 11.0, 2.05, 120
MARK_ROW_IN, LEGEND_PT = 0.19, 20
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: searchable, and small
    "svg.hashsalt": "pilotwire",
    "path.simplify": True,
}
TRACE_NUMBERS = ("t_ms", "cp_high_mv", "cp_low_mv", "duty_permyriad", "closed", "power_w", "energy_wh")


def write_report(
    folder: Path,
    trace: Sequence[Mapping[str, Any]],
    readings: Sequence[Mapping[str, Any]],
    marks: Sequence[tuple[float, str]],
    summary: Mapping[str, Any],
    *,
    unix_at_trace_zero_ms: float | None = None,
) -> list[Path]:
    """Write `session.json`, `session.svg` and `session.png` into `folder` (made if absent) and return their paths.

    `trace` is the world's trace, one mapping a row: t_ms, cp_high_mv, cp_low_mv, duty_permyriad (0 to 10000), closed (0/1),
    current_a (three), power_w, energy_wh. `readings` are the station's: `at_ms` on the clock of the trace, or `unix_ms`,
    then power_w and energy_import_wh. `unix_at_trace_zero_ms` is the wall clock when the trace's clock was zero; without it
    readings in `unix_ms` are laid so that the first one falls on the first trace row, and the picture says so.
    `marks` are (t_ms, label) on the clock of the trace; one before its first row or after its last is left out of the
    picture. `summary` goes into the JSON as it is; a text `note` in it is
    printed under the title, and its text `name` is in the title.

    Raises ValueError naming the row and the key that is missing or no number, or when the trace is empty.
    """
    rows = _trace_rows(trace)
    meter, guessed = _meter_points(readings, rows[0], unix_at_trace_zero_ms)
    document = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "session.json", folder / "session.svg", folder / "session.png"]
    paths[0].write_text(document, encoding="utf-8")
    # A user's own matplotlibrc must not change the report.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = _draw(rows, meter, guessed, marks, summary)
        figure.savefig(paths[1], format="svg", metadata={"Date": None, "Creator": "pilotwire", "Title": "session"})
        figure.savefig(paths[2], format="png", dpi=DPI, metadata={"Software": "pilotwire"})
    return paths


class _Row:
    """One trace row in seconds, volts and percent."""

    __slots__ = ("closed", "current_a", "duty_percent", "energy_wh", "high_v", "low_v", "power_kw", "t_ms", "t_s")

    def __init__(self, values: Mapping[str, float], current_a: Sequence[float], start_ms: float) -> None:
        self.t_ms = values["t_ms"]
        self.t_s = (values["t_ms"] - start_ms) / 1000.0
        self.high_v = values["cp_high_mv"] / 1000.0
        self.low_v = values["cp_low_mv"] / 1000.0
        self.duty_percent = values["duty_permyriad"] / 100.0
        self.closed = bool(values["closed"])
        self.power_kw = values["power_w"] / 1000.0
        self.energy_wh = values["energy_wh"]
        self.current_a = tuple(current_a)


def _trace_rows(trace: Sequence[Mapping[str, Any]]) -> list[_Row]:
    if not trace:
        raise ValueError("trace: no rows; the picture needs at least one row of the world's trace")
    rows: list[_Row] = []
    for index, raw in enumerate(trace):
        values = {key: _required(raw, key, f"trace row {index}") for key in TRACE_NUMBERS}
        current = raw.get("current_a")
        if not isinstance(current, Sequence) or len(current) != 3 or any(number(amps) is None for amps in current):
            raise ValueError(f"trace row {index}: current_a must be three numbers (A), got {current!r}")
        if rows and values["t_ms"] < rows[-1].t_ms:
            raise ValueError(f"trace row {index}: t_ms {values['t_ms']:.0f} lies before the row above it")
        rows.append(_Row(values, current, rows[0].t_ms if rows else values["t_ms"]))
    return rows


def _required(raw: Mapping[str, Any], key: str, where: str) -> float:
    raw_value = raw.get(key)
    value = number(int(raw_value) if isinstance(raw_value, bool) else raw_value)
    if value is None:
        raise ValueError(f"{where}: {key} must be a finite number, got {raw_value!r}")
    return value


def _meter_points(
    readings: Sequence[Mapping[str, Any]], first: _Row, unix_at_zero_ms: float | None
) -> tuple[list[tuple[float, float, float]], bool]:
    """Return (seconds, kW, Wh since the first reading), and whether their place in time had to be guessed."""
    points: list[tuple[float, float, float]] = []
    guessed = False
    for index, raw in enumerate(readings):
        where = f"reading {index}"
        if "at_ms" in raw:
            at_ms = _required(raw, "at_ms", where)
        else:
            at_ms = _required(raw, "unix_ms", where)
            if unix_at_zero_ms is None:
                unix_at_zero_ms, guessed = at_ms - first.t_ms, True
            at_ms -= unix_at_zero_ms
        power_kw = _required(raw, "power_w", where) / 1000.0
        energy_wh = _required(raw, "energy_import_wh", where)
        points.append(((at_ms - first.t_ms) / 1000.0, power_kw, energy_wh))
    start_wh = points[0][2] if points else 0.0
    return [(at_s, power_kw, energy_wh - start_wh) for at_s, power_kw, energy_wh in points], guessed


def _draw(
    rows: Sequence[_Row],
    meter: Sequence[tuple[float, float, float]],
    guessed: bool,
    marks: Sequence[tuple[float, str]],
    summary: Mapping[str, Any],
) -> Figure:
    end_s = max(rows[-1].t_s, 1.0)
    placed = _place_marks(marks, rows[0].t_ms, end_s)
    mark_rows = max((label.row for label in placed), default=-1) + 1
    note = text(summary.get("note"))
    head_in = 0.62 + (0.2 if note else 0.0) + MARK_ROW_IN * mark_rows
    height_in = head_in + 4 * ROW_IN + 0.55
    figure = Figure(figsize=(WIDTH_IN, height_in))
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(4, 1, index) for index in range(1, 5)]
    figure.subplots_adjust(
        left=0.075, right=0.925, bottom=0.5 / height_in, top=1 - (head_in + 0.2) / height_in, hspace=0.3
    )
    figure.text(0.075, 1 - 0.3 / height_in, _title(rows, summary), fontsize=13, fontweight="bold", parse_math=False)
    if note:
        figure.text(0.075, 1 - 0.52 / height_in, note, color="#404040", parse_math=False)
    _pilot_voltage(axes[0], rows)
    _duty(axes[1], rows)
    _current_and_power(axes[2], rows)
    _energy(axes[3], rows, meter, guessed)
    spans = list(_closed_spans(rows))
    for axis in axes:
        for start_s, stop_s in spans:
            axis.axvspan(start_s, stop_s, color=CLOSED_SHADE, linewidth=0, zorder=0)
        for label in placed:
            axis.axvline(label.at_s, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axis.set_xlim(0.0, end_s)
        axis.tick_params(labelbottom=axis is axes[-1])
        axis.yaxis.set_label_coords(-0.05, 0.5)
    axes[-1].set_xlabel("time (s)")
    for label in placed:
        # Labels stand above the legend line of the first plot, in as many rows as keep them apart.
        right_of_line = label.low_s >= label.at_s
        low_pt, high_pt = (LEGEND_PT + (label.row + part) * MARK_ROW_IN * 72 for part in (0.0, 0.9))
        axes[0].annotate(
            label.words, (label.at_s, 1.0), (2 if right_of_line else -2, low_pt), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="left" if right_of_line else "right", va="bottom", fontsize=8.5,
            color="#404040", annotation_clip=False, parse_math=False, zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip
        axes[0].annotate(
            "", (label.at_s, 1.0), (0, high_pt), xycoords=("data", "axes fraction"), textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    return figure


def _title(rows: Sequence[_Row], summary: Mapping[str, Any]) -> str:
    energy_wh = rows[-1].energy_wh - rows[0].energy_wh
    cycles = sum(1 for _ in _closed_spans(rows))
    peak_kw = max(row.power_kw for row in rows)
    times = "once" if cycles == 1 else f"{cycles} times"
    name = text(summary.get("name")) or "Charging session"
    return f"{name}: {energy_wh:.1f} Wh in {rows[-1].t_s:.0f} s, peak {peak_kw:.1f} kW, contactor closed {times}"


def _closed_spans(rows: Sequence[_Row]) -> Iterable[tuple[float, float]]:
    start_s: float | None = None
    for row in rows:
        if row.closed and start_s is None:
            start_s = row.t_s
        elif not row.closed and start_s is not None:
            yield start_s, row.t_s
            start_s = None
    if start_s is not None:
        yield start_s, rows[-1].t_s


@dataclass(frozen=True, slots=True)
class _Label:
    """A mark's words beside its line: the stretch they cover, and in which row above the plots, counted from below."""

    words: str
    at_s: float
    low_s: float
    high_s: float
    row: int


def _place_marks(marks: Sequence[tuple[float, str]], start_ms: float, end_s: float) -> list[_Label]:
    """Place the labels of the marks so that no label hides another or is struck by another's line."""
    seconds_a_letter = end_s * 0.0078  # 8.5 pt DejaVu Sans on the width of the axes, on the large side
    margin_s = end_s * 0.07  # labels may reach into the right margin
    placed: list[_Label] = []
    # From the right: a label right of its line then never meets the lines of the earlier marks, which go up left of it.
    for t_ms, raw_words in sorted(marks, key=lambda mark: mark[0], reverse=True):
        at_s = (t_ms - start_ms) / 1000.0
        words = text(raw_words) or "?"
        if not 0.0 <= at_s <= end_s:
            continue  # a mark outside the trace has no line to stand on
        width_s = (len(words) + 1) * seconds_a_letter
        low_s = at_s if at_s + width_s <= end_s + margin_s else at_s - width_s
        label = _Label(words, at_s, low_s, low_s + width_s, row=0)
        while _blocked(label, placed):
            label = replace(label, row=label.row + 1)
        placed.append(label)
    return placed


def _blocked(label: _Label, others: Sequence[_Label]) -> bool:
    """Say whether a label would meet another label or its line, or its own line a label below."""
    if label.row > len(others):
        return False  # above everything there is always room; only its own line may still cross a label
    return any(
        (label.row == other.row and label.low_s < other.high_s and other.low_s < label.high_s)
        or (label.row < other.row and label.low_s < other.at_s < label.high_s)
        or (label.row > other.row and other.low_s < label.at_s < other.high_s)
        for other in others
    )


def _legend(axis: Axes, handles: Sequence[Any]) -> None:
    axis.legend(
        handles=list(handles), loc="lower left", bbox_to_anchor=(0.004, 1.012), ncol=len(handles), frameon=True,
        facecolor="white", edgecolor="none", framealpha=1.0, borderpad=0.1,
        fontsize=8.5, borderaxespad=0.0, handlelength=2.4, columnspacing=1.8,
    )  # fmt: skip


def _pilot_voltage(axis: Axes, rows: Sequence[_Row]) -> None:
    at_s = [row.t_s for row in rows]
    high = axis.plot(at_s, [row.high_v for row in rows], color=BLUE, drawstyle="steps-post", label="high level")
    low = axis.plot(
        at_s, [row.low_v for row in rows], color=VERMILION, linestyle="--", drawstyle="steps-post", label="low level"
    )
    axis.set_ylabel("control pilot at\nthe car (V)")
    axis.set_ylim(-14.0, 14.0)
    axis.set_yticks([-12, -6, 0, 6, 9, 12])
    states = axis.twinx()
    states.set_ylim(-14.0, 14.0)
    states.set_yticks([12, 9, 6, 3, 0], labels=["A", "B", "C", "D", "E"])
    states.set_ylabel("state by high level")
    states.grid(False)
    _legend(axis, [*high, *low, Patch(color=CLOSED_SHADE, label="contactor closed")])


def _duty(axis: Axes, rows: Sequence[_Row]) -> None:
    at_s = [row.t_s for row in rows]
    duty = axis.plot(at_s, [row.duty_percent for row in rows], color=BLACK, drawstyle="steps-post", label="duty")
    axis.set_ylabel("duty (%)")
    axis.set_ylim(-4.0, 106.0)
    axis.set_yticks([0, 20, 40, 60, 80, 100])
    allowed = axis.twinx()
    allowed.set_ylim(-4.0, 106.0)
    allowed.set_yticks(list(ALLOWED_A), labels=list(ALLOWED_A.values()))
    allowed.set_ylabel("allows")
    allowed.grid(False)
    _legend(axis, duty)


def _current_and_power(axis: Axes, rows: Sequence[_Row]) -> None:
    at_s = [row.t_s for row in rows]
    handles: list[Any] = []
    # Balanced phases lie on each other: the first is wide, the others leave gaps through which it shows.
    for phase, (color, style, width) in enumerate(((ORANGE, "-", 4.0), (BLUE, "--", 2.0), (BLACK, ":", 1.6))):
        amps = [row.current_a[phase] for row in rows]
        handles += axis.plot(at_s, amps, color=color, linestyle=style, linewidth=width, label=f"L{phase + 1}")
    axis.set_ylabel("current (A)")
    power = axis.twinx()
    handles += power.plot(at_s, [row.power_kw for row in rows], color=GREEN, linestyle="-.", label="power (right)")
    power.set_ylabel("power (kW)")
    power.grid(False)
    top_a = max(4.0, *(max(row.current_a) for row in rows)) * 1.12
    axis.set_ylim(-0.04 * top_a, top_a)
    top_kw = max(1.0, *(row.power_kw for row in rows)) * 1.3
    power.set_ylim(-0.04 * top_kw, top_kw)
    _legend(axis, handles)


def _energy(axis: Axes, rows: Sequence[_Row], meter: Sequence[tuple[float, float, float]], guessed: bool) -> None:
    start_wh = rows[0].energy_wh
    circuit_wh = rows[-1].energy_wh - start_wh
    handles: list[Any] = axis.plot(
        [row.t_s for row in rows], [row.energy_wh - start_wh for row in rows], color=GREEN, linewidth=3.0,
        label=f"circuit, {circuit_wh:.1f} Wh",
    )  # fmt: skip
    if meter:
        where = ", start laid on the start of the trace" if guessed else ""
        handles += axis.plot(
            [at_s for at_s, *_ in meter], [energy_wh for *_, energy_wh in meter], color=BLACK, linestyle="none",
            marker="o", markersize=3.2, label=f"meter as the station read it, {meter[-1][2]:.1f} Wh{where}",
        )  # fmt: skip
    axis.set_ylabel("energy (Wh)")
    axis.set_ylim(bottom=-0.04 * max(1.0, circuit_wh))
    _legend(axis, handles)
