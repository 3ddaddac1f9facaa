"""The demo's panel: what a person sees of a snapshot, whole, empty or broken."""

from __future__ import annotations

import copy
import io
import os
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from demo_snapshots import WORLD, changed, full, limit, message
from pilotwire.tools.demo.chart import History, block_chart, gauge
from pilotwire.tools.demo.glance import STATE_MEANINGS, amps_of_duty, glance, meaning_of_duty
from pilotwire.tools.demo.lines import Lines
from pilotwire.tools.demo.panel import Panel, Scene

STEPS = ("starting", "plug in", "charge", "limit lowered", "unplug")
SIZES = [(80, 24), (120, 40), (200, 60)]


def picture(scene: Scene, size: tuple[int, int] = (80, 24)) -> str:
    """The text a terminal of this size would show; fails when it would not fit."""
    width, height = size
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, record=True)
    console.print(scene, height=height, end="")
    shown = console.export_text()
    lines = shown.rstrip("\n").split("\n")
    assert len(lines) <= height
    assert max(cell_len(line) for line in lines) <= width
    return shown


def scene_of(snapshot: dict[str, Any] | None, world: dict[str, Any] | None = None, step: str = "charge") -> Scene:
    scene = Scene(STEPS)
    scene.take(snapshot, world, step, 31.0)
    return scene


def row_with(shown: str, word: str) -> str:
    """The one line of the picture with this word."""
    (line,) = [line for line in shown.split("\n") if word in line]
    return line


@pytest.mark.parametrize("size", SIZES)
def test_the_panel_shows_every_fact_of_a_charging_session(size: tuple[int, int]) -> None:
    shown = picture(scene_of(full(), WORLD), size)
    assert "3/5 charge" in shown
    assert "00:31" in shown
    assert " C  charging requested" in shown
    assert "+6.0 V" in row_with(shown, "high ")
    assert "-11.9 V" in row_with(shown, "low ")
    assert "duty 26.7 %, allows 16.0 A" in shown
    assert "● CLOSED" in row_with(shown, "contactor")
    assert "lease 0.9 s" in shown
    assert "16.0 A  ocpp profile 7 allows 16 A" in shown
    assert "micropython 1.28.0" in shown
    assert "11.04 kW" in row_with(shown, "meter ")
    assert "12,345.6 Wh" in row_with(shown, "meter ")
    assert "124.2 Wh" in row_with(shown, "circuit")
    assert "L1 16.0 A L2 15.5 A L3 16.1 A" in shown
    assert "█" in shown
    assert "123.4 Wh" in row_with(shown, "Charging ")
    assert "transaction ref 1, OCPP 17, tag" in shown
    assert "TAG-1" in shown
    assert "connected, registered, 2 queued" in shown
    assert "→ SetChargingProfile" in shown
    assert "← StartTransaction" in shown
    assert not any(word in shown for word in ("STALE", "LOST", "FAULTS", "SILENT"))


def test_all_reasons_stand_in_order_and_only_the_binding_one_is_marked() -> None:
    lines = picture(scene_of(full())).split("\n")
    order = [next(i for i, line in enumerate(lines) if words in line) for words in ("▶ ocpp profile 7 ", "profile 77 ")]
    order += [next(i for i, line in enumerate(lines) if words in line) for words in ("cable limits", "board limits")]
    assert order == sorted(order)
    assert "16.0 A 60 s" in lines[order[0]]
    assert sum("▶" in line for line in lines) == 1


def test_reasons_that_do_not_fit_are_counted_instead_of_cut_off() -> None:
    reasons = [limit("ocpp", f"profile {index}", 16_000 + index) for index in range(12)]
    snapshot = changed(allocation={"reasons": reasons})
    small, large = picture(scene_of(snapshot)), picture(scene_of(snapshot), (120, 40))
    assert "and 8 more" in small
    assert "and 6 more" in large


@pytest.mark.parametrize("letter", "ABCDEF")
def test_the_state_letter_stands_with_its_meaning(letter: str) -> None:
    shown = picture(scene_of(changed(pilot={"state": letter})))
    assert f" {letter}  {STATE_MEANINGS[letter]}" in shown


@pytest.mark.parametrize("size", SIZES)
def test_a_lost_pilot_is_said_in_red_with_its_age_and_the_truth_of_the_circuit(size: tuple[int, int]) -> None:
    scene = scene_of(full(), WORLD)
    scene.take(changed(pilot={"online": False, "age_ms": 2300}), WORLD, "charge", 31.2)
    assert "LOST 2.3 s" in picture(scene, size)
    assert "circuit: open" in picture(scene, size)
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(scene, height=24)
    assert "\x1b[1;37;41mLOST 2.3 s" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_pilot_that_never_answered_is_waited_for_and_not_called_lost() -> None:
    missing = {"online": False, "state": "?", "program": "", "faults": []}
    snapshot = full()
    snapshot["pilot"] = missing
    assert "waiting: pilot not heard yet" in picture(scene_of(snapshot))
    scene = scene_of(full())
    scene.take(snapshot, None, "charge", 32.0)
    assert "LOST" in picture(scene)


def test_old_pilot_and_meter_values_are_marked_stale_with_their_age() -> None:
    shown = picture(scene_of(changed(pilot={"age_ms": 420}, meter={"age_ms": 7400})))
    assert "STALE 0.4 s" in row_with(shown, "charging requested")
    assert "METER STALE 7.4 s" in shown
    assert "STALE" not in picture(scene_of(changed(pilot={"age_ms": 300}, meter={"age_ms": 3000})))


def test_old_pilot_values_are_drawn_dimmed() -> None:
    for age_ms, style in ((40, ""), (420, "\x1b[2m")):
        console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system="standard")
        console.print(scene_of(changed(pilot={"age_ms": age_ms})), height=24)
        assert f"{style}duty 26.7 %" in console.file.getvalue()  # type: ignore[attr-defined]
        assert ("\x1b[2mduty" in console.file.getvalue()) == bool(style)  # type: ignore[attr-defined]


def test_a_meter_that_is_off_line_is_stale_at_any_age() -> None:
    assert "METER STALE" in picture(scene_of(changed(meter={"online": False, "age_ms": 10})))


def test_a_station_whose_clock_stands_still_is_called_silent() -> None:
    scene = scene_of(full())
    scene.take(full(), None, "charge", 31.9)
    assert "SILENT" not in picture(scene)
    scene.take(full(), None, "charge", 33.5)
    assert "STATION SILENT, values STALE for 2.5 s" in picture(scene)
    scene.take(changed(now_ms=33_600), None, "charge", 33.6)
    assert "SILENT" not in picture(scene)


def test_faults_are_shown_by_name() -> None:
    assert "FAULTS contactor_welded, diode" in picture(
        scene_of(changed(pilot={"faults": ["contactor_welded", "diode"]}))
    )


def test_a_central_system_that_is_gone_and_a_station_without_one_are_told_apart() -> None:
    assert "NOT CONNECTED" in picture(scene_of(changed(ocpp={"connected": False})))
    assert "stand-alone" in picture(scene_of(changed(ocpp=None)))
    missing = full()
    del missing["ocpp"]
    assert "waiting: not connected yet" in picture(scene_of(missing))


def test_the_ocpp_messages_shown_are_the_last_ones() -> None:
    traffic = [message(index, "out", f"Action{index:02d}") for index in range(30)]
    shown = picture(scene_of(changed(ocpp={"traffic": traffic})))
    assert [f"Action{index:02d}" in shown for index in (25, 26, 27, 28, 29)] == [False, True, True, True, True]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nothing", [None, {}, {"pilot": None, "session": None, "allocation": None, "meter": None}])
def test_a_station_that_is_not_up_yet_is_waited_for(nothing: dict[str, Any] | None, size: tuple[int, int]) -> None:
    shown = picture(scene_of(nothing, step="starting"), size)
    assert "1/5 starting" in shown
    assert shown.count("waiting:") == 5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("section", ["pilot", "session", "allocation", "meter", "ocpp"])
def test_each_section_may_be_missing_while_the_others_stay_visible(section: str, size: tuple[int, int]) -> None:
    facts = {
        "pilot": "charging requested",
        "session": "TAG-1",
        "allocation": "board limits.board_ma",
        "meter": "12,345.6 Wh",
        "ocpp": "SetChargingProfile",
    }
    shown = picture(scene_of(changed(**{section: None})), size)
    assert {name: fact in shown for name, fact in facts.items()} == {name: name != section for name in facts}


def leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in nested dicts and lists."""
    if isinstance(tree, dict):
        return [path, *(leaf for key, value in tree.items() for leaf in leaves(value, (*path, key)))]
    if isinstance(tree, list):
        return [path, *(leaf for index, value in enumerate(tree) for leaf in leaves(value, (*path, index)))]
    return [path]


WRONG = [None, "text", -1, 10**400, float("nan"), True, [], {}, [None], "日本語\x1b[2J" * 40]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:12])
def test_no_wrong_value_anywhere_breaks_the_panel_or_the_lines(wrong: Any) -> None:
    for path in leaves(full())[1:]:
        snapshot = copy.deepcopy(full())
        parent = snapshot
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = wrong
        assert "3/5 charge" in picture(scene_of(snapshot, {"power_w": wrong, "energy_wh": wrong}))
        out = io.StringIO()
        Lines(out).update(snapshot, {"energy_wh": wrong}, "charge", 0.0)
        assert "\x1b" not in out.getvalue()


@settings(max_examples=60)
@given(st.integers(20, 220), st.integers(5, 70))
def test_the_panel_fits_any_terminal(width: int, height: int) -> None:
    picture(scene_of(full(), WORLD), (width, height))


def test_text_from_the_wire_cannot_steer_the_terminal() -> None:
    evil = "TAG\x1b[2J\x07[red]x\nnew"
    console = Console(width=120, height=40, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(scene_of(changed(session={"transaction": {"ref": 1, "id_tag": evil}})), height=40)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in written
    assert "\x07" not in written
    assert "tag TAG [2J [red]x new" in written


def test_in_a_real_terminal_the_panel_draws_at_most_ten_times_a_second_and_leaves_its_last_picture() -> None:
    ours, theirs = os.openpty()
    seen = bytearray()

    def drain() -> None:
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the last writer has closed
                return
            if not chunk:
                return
            seen.extend(chunk)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        clock = [0.0]
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
            console = Console(file=terminal, width=80, height=24, _environ={"TERM": "xterm-256color"})
            with Panel(STEPS, console=console, clock=lambda: clock[0]) as panel:
                for tick in range(100):  # one second of updates, ten milliseconds apart
                    clock[0] = tick / 100
                    panel.update(changed(now_ms=tick), WORLD, "limit lowered")
    finally:
        reader.join(timeout=10)
        os.close(ours)
    written = seen.decode()
    assert written.count("\x1b[?1049h") == written.count("\x1b[?1049l") == 1
    live, _, left = written.partition("\x1b[?1049l")
    assert 5 <= live.count("Pilotwire demo") <= 12  # the first picture, ten a second, and rich's last
    assert left.count("Pilotwire demo") == 1
    assert "4/5" in left


def test_without_a_terminal_the_panel_prints_lines() -> None:
    out = io.StringIO()
    with Panel(STEPS, console=Console(file=out, width=80), clock=lambda: 0.0) as panel:
        panel.update(full(), WORLD, "charge", 3.0)
    assert "[   3.0 s] pilot state C: charging requested\n" in out.getvalue()
    assert "╭" not in out.getvalue()


@pytest.mark.parametrize(
    ("duty_percent", "amps", "meaning"),
    [
        (0.0, None, "steady low, not available"),
        (5.0, None, "digital communication"),
        (7.5, None, "no charging"),
        (8.0, 6.0, "allows 6.0 A"),
        (10.0, 6.0, "allows 6.0 A"),
        (26.66, 15.996, "allows 16.0 A"),
        (85.0, 51.0, "allows 51.0 A"),
        (90.0, 65.0, "allows 65.0 A"),
        (97.0, 80.0, "allows 80.0 A"),
        (98.0, None, "no charging"),
        (100.0, None, "no PWM, no charging"),
    ],
)
def test_a_duty_cycle_stands_with_what_it_means(duty_percent: float, amps: float | None, meaning: str) -> None:
    assert amps_of_duty(duty_percent) == (None if amps is None else pytest.approx(amps))
    assert meaning_of_duty(duty_percent) == meaning


def test_the_gauge_grows_from_zero_to_both_sides_and_stays_on_its_scale() -> None:
    assert gauge("high", 12.0, 35, "green").plain == "high  +12.0 V ──────────┼━━━━━━━━━●"
    assert gauge("low", -6.0, 35, "blue").plain == "low    -6.0 V ─────●━━━━┼──────────"
    assert gauge("high", 99.0, 35, "green").plain.index("●") == 34
    assert "●" not in gauge("low", None, 35, "blue").plain
    assert {len(gauge("high", volts / 10, 40, "green").plain) for volts in range(-200, 200)} == {40}


def test_the_chart_gives_the_largest_value_the_full_height_and_leaves_the_unknown_empty() -> None:
    assert block_chart([None, 0.0, 4.0, 8.0, 16.0, None], 2) == ["    █ ", " ▁▄██ "]
    assert block_chart([None, None], 1) == ["  "]
    assert block_chart([0.0, 0.0], 1) == ["▁▁"]


def test_the_power_history_fills_from_the_left_and_then_scrolls() -> None:
    history = History()
    for second in range(46):
        history.add(float(second), float(second))
    assert history.columns(45.0, 10) == [8.0, 17.0, 26.0, 35.0, 44.0, 45.0, None, None, None, None]
    assert history.columns(140.0, 10) == [45.0] * 10
    for second in range(46, 100_000):
        history.add(float(second), 1.0)
    assert history.columns(100_000.0, 3) == [1.0, 1.0, 1.0]


def test_an_unreadable_snapshot_is_an_empty_glance() -> None:
    assert glance(None) == glance({}) == glance({"pilot": 7, "meter": [], "session": "x", "now_ms": "soon"})
