"""The demo's lines for places without a terminal: one for each change, and progress now and then."""

from __future__ import annotations

import io
from typing import Any

import pytest

from demo_snapshots import WORLD, changed, full, message
from pilotwire.tools.demo.lines import Lines


class Log:
    """Lines on a string, read piece by piece."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self._lines = Lines(self._out)
        self._read = 0

    def after(self, snapshot: dict[str, Any] | None, elapsed_s: float, step: str = "charge") -> list[str]:
        """What this update printed."""
        self._lines.update(snapshot, WORLD, step, elapsed_s)
        text = self._out.getvalue()[self._read :]
        self._read += len(text)
        return text.splitlines()


def test_lines_print_nothing_while_nothing_changes_except_progress_about_every_five_seconds() -> None:
    log = Log()
    assert any("CP +6.0/-11.9 V  duty 26.7 % = 16.0 A" in line for line in log.after(full(), 0.0))
    printed = {}
    for tick in range(1, 60):
        snapshot = changed(now_ms=31_000 + 200 * tick, meter={"power_w": 11_000.0 + tick}, pilot={"age_ms": tick})
        if lines := log.after(snapshot, tick / 5):
            printed[tick / 5] = lines
    assert list(printed) == [5.0, 10.0]
    (line,) = printed[5.0]
    assert line == (
        "[   5.0 s] CP +6.0/-11.9 V  duty 26.7 % = 16.0 A  16.0/15.5/16.1 A  11.03 kW  meter 12345.6 Wh  circuit 124.2 Wh"
    )


@pytest.mark.parametrize(
    ("news", "words"),
    [
        ({"pilot": {"state": "B"}}, "pilot state B: car connected"),
        ({"pilot": {"contactor": "open"}}, "contactor open"),
        ({"pilot": {"faults": ["diode"]}}, "FAULTS diode"),
        ({"pilot": {"online": False}}, "pilot LOST"),
        ({"pilot": {"age_ms": 400}}, "pilot STALE"),
        ({"meter": {"online": False}}, "meter STALE"),
        ({"allocation": {"limit_ma": 10_000, "binding": "cable"}}, "allocation 10.0 A: cable"),
        ({"session": {"state": "SuspendedEV", "why": "full"}}, "session SuspendedEV: full"),
        ({"session": {"transaction": None}}, "transaction closed"),
        ({"ocpp": {"connected": False}}, "central system not connected"),
    ],
)
def test_lines_print_one_line_for_each_change(news: dict[str, Any], words: str) -> None:
    log = Log()
    log.after(full(), 0.0)
    assert log.after(changed(**news), 0.2) == [f"[   0.2 s] {words}"]
    assert log.after(changed(**news), 0.4) == []


def test_lines_say_when_trouble_is_over() -> None:
    log = Log()
    log.after(changed(pilot={"faults": ["diode"]}), 0.0)
    assert log.after(full(), 0.2) == ["[   0.2 s] faults cleared"]
    assert log.after(full(), 1.9) == ["[   1.9 s] station is silent, the last values are STALE"]
    assert log.after(changed(now_ms=32_000), 2.0) == ["[   2.0 s] station answers again"]


def test_lines_print_each_ocpp_message_once_while_the_window_slides() -> None:
    everything = [message(index // 2, "out" if index % 3 else "in", "MeterValues") for index in range(40)]
    everything[7]["kind"] = "error"
    log = Log()
    printed = []
    for end in (0, 1, 1, 4, 9, 9, 10, 25, 40):
        window = everything[max(0, end - 16) : end]
        printed += [line for line in log.after(changed(ocpp={"traffic": window}), 0.0) if "MeterValues" in line]
    arrows = ["->" if item["dir"] == "out" else "<-" for item in everything]
    assert [line.split()[4] for line in printed] == arrows
    assert [index for index, line in enumerate(printed) if line.endswith("MeterValues (error)")] == [7]


def test_lines_wait_for_a_station_and_a_pilot_that_are_not_there_yet() -> None:
    log = Log()
    assert log.after(None, 0.0, "starting") == ["[   0.0 s] step: starting", "[   0.0 s] circuit 124.2 Wh"]
    assert log.after({}, 0.2, "starting") == []
    snapshot = {"now_ms": 1, "station": "demo-1", "pilot": {"online": False, "state": "?", "faults": []}}
    assert log.after(snapshot, 0.4, "starting") == ["[   0.4 s] station demo-1 is up"]


def test_lines_survive_an_output_that_knows_only_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Lines(out).update(changed(session={"why": "Müller"}), None, "charge", 0.0)
    assert b"session Charging: M?ller\n" in raw.getvalue()
