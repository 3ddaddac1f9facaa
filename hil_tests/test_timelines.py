"""Random walks through everything that can happen to a station, each the same to the tick as it was when it was looked at."""

from __future__ import annotations

from typing import Any

import pytest

from .course import Course
from .sweeps import SWEEPS
from .timeline import Timeline, compare
from .walk import Walk

ALL = ("parameters", "options", "car circuit", "car current", "digital car", "contactor faults", "residual injection")
MORE = (
    "residual device faults",
    "sensors",
    "guards",
    "socket",
    "meter faults",
    "station control",
    "pilot control",
    "power",
)
needs = pytest.mark.needs(*ALL, *MORE, "pins", "exact time")

STATION = {
    "plug": 8,
    "unplug": 3,
    "swipe": 7,
    "stop": 2,
    "clear": 4,
    "fault": 3,
    "heal": 6,
    "blink": 4,
    "level": 3,
    "wish": 3,
}
STATION |= {"toggle": 1, "heat": 1, "car": 1, "cable": 1, "meter": 2, "pilot": 1, "station": 1, "power": 1}
HOST = {
    "plug": 8,
    "unplug": 3,
    "pull": 1,
    "lease": 12,
    "request": 8,
    "fault": 3,
    "heal": 7,
    "blink": 4,
    "level": 5,
    "wish": 3,
}
HOST |= {"toggle": 2, "heat": 2, "car": 2, "cable": 2, "narrow": 1, "pilot": 1}
SOCKET = [
    "socket",
    "lock",
    "second",
    "rcd_dc",
    "rcd_ac",
    "rcd_test",
    "earth",
    "pen",
    "stop_button",
    "current",
    "plug_temp",
]

SETTINGS: dict[str, dict[str, Any]] = {
    "everything": {},
    "quick": {
        "parameters": {"min_off_ms": 0, "fault_off_ms": 0, "to_c_ms": 100, "switch_phases": 1, "dead_ms": 10_000}
    },
    "dc": {"parameters": {"dc_max_ma": 200_000, "ttl_ms": 5000}},
    "bare": {"parameters": {"fitted": [], "wake_after_ms": 3000}},
    "fixed-cable": {
        "parameters": {"fitted": ["rcd_dc", "rcd_test", "ventilation", "earth", "current"], "min_off_ms": 0}
    },
    "one-phase": {
        "parameters": {"phases": 1, "fitted": [*SOCKET, "ventilation"], "simple_ma": 10_000},
        "board_ma": 63_000,
    },
}


@needs
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_pilot_under_a_bare_host_does_the_same_to_the_tick(
    course: Course, setting: str, seed: int, write_timelines: bool
) -> None:
    course.bench.reset(SETTINGS[setting])
    course.host()
    timeline = Timeline(course)
    timeline.look()
    Walk(course, timeline, 10 * list(SETTINGS).index(setting) + seed, HOST).go(40)
    compare(f"host-{setting}-{seed}", timeline.text(), write=write_timelines)


@needs
@pytest.mark.needs("exact station")
@pytest.mark.parametrize("setting", ["everything", "quick", "fixed-cable"])
@pytest.mark.parametrize("tags", ["free", "tags"])
def test_a_station_does_the_same_to_the_tick(course: Course, setting: str, tags: str, write_timelines: bool) -> None:
    course.bench.reset({**SETTINGS[setting], "id_tags": ["MINE", "YOURS"] if tags == "tags" else []})
    timeline = Timeline(course)
    timeline.look()
    Walk(course, timeline, 100 + 10 * list(SETTINGS).index(setting) + (tags == "tags"), STATION).go(40)
    compare(f"station-{setting}-{tags}", timeline.text(), write=write_timelines)


@needs
@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_through_all_bounds_does_the_same_to_the_tick(course: Course, name: str, write_timelines: bool) -> None:
    course.bench.reset(SETTINGS["dc"] if name == "pulses" else SETTINGS["quick"])
    timeline = Timeline(course)
    SWEEPS[name](course, timeline)
    compare(f"sweep-{name}", timeline.text(), write=write_timelines)
