"""Sweeps: one quantity goes through all its bounds while the timeline writes along. Each is a function of course and timeline."""

from __future__ import annotations

from collections.abc import Callable

from .course import TICK_MS, Course
from .timeline import Timeline

Sweep = Callable[[Course, Timeline], None]


def levels(course: Course, timeline: Timeline) -> None:
    """A foreign level on the pilot wire, from the top to the bottom and back: every band, and its hysteresis on both sides."""
    course.host()
    timeline.do("lease", limit_ma=16_000)
    for held_mv in (*range(13_600, -13_600, -200), *range(-13_600, 13_600, 200)):
        timeline.do("set", circuit={"held": True, "held_mv": float(held_mv)})
        timeline.run(60)


def glitches(course: Course, timeline: Timeline) -> None:
    """Levels that last just not long enough, and just long enough, from each state into each other one."""
    course.host()
    timeline.do("lease", limit_ma=16_000)
    for before_mv, now_mv in (
        (12_000, 9_000),
        (9_000, 6_000),
        (6_000, 9_000),
        (6_000, 3_000),
        (6_000, 12_000),
        (9_000, 10_500),
    ):
        for ms in (15, 20, 25, 30, 45, 50, 55, 195, 200, 205, 295, 300, 305):
            timeline.do("set", circuit={"held": True, "held_mv": float(before_mv)})
            timeline.run(400)
            timeline.do("set", circuit={"held_mv": float(now_mv)})
            timeline.run(ms)
            timeline.do("set", circuit={"held_mv": float(before_mv)})
            timeline.run(100)
        timeline.do("request", what="clear")
        timeline.run(1500)


def pulses(course: Course, timeline: Timeline) -> None:
    """BCB toggles with pulses and gaps around every bound, and more or fewer of them than make a sequence."""
    course.host()
    timeline.do("lease", limit_ma=0, mode="ac_hlc")
    timeline.do("set", car={"wants_charge": False})
    timeline.do("plug")
    timeline.run(2000)
    for pulse_ms in (140, 145, 150, 155, 160, 300, 445, 450, 455, 460):
        for count in (1, 2, 3, 4) if pulse_ms == 300 else (3,):
            timeline.do("toggle", pulses=count, pulse_ms=pulse_ms, gap_ms=pulse_ms)
            timeline.run(2 * count * pulse_ms + 200)
            timeline.run(2 * pulse_ms)
    for gap_ms in (100, 140, 1300, 1500, 1550, 1600):
        timeline.do("toggle", pulses=3, pulse_ms=300, gap_ms=gap_ms)
        timeline.run(3 * (300 + gap_ms) + 4200)


def leases(course: Course, timeline: Timeline) -> None:
    """Every mode with limits and times around their bounds."""
    course.host()
    timeline.do("plug")
    for mode in ("none", "ac", "ac_hlc", "dc", "bpt"):
        for limit_ma in (0, 1, 5_999, 6_000, 6_001, 32_000, 51_000, 51_001, 200_001):
            timeline.do("lease", mode=mode, limit_ma=limit_ma)
            timeline.run(300)
        for ttl_ms in (0, 499, 500, 1000, 1001, 5000, 5001):
            timeline.do("lease", mode=mode, limit_ma=16_000, ttl_ms=ttl_ms)
            timeline.run(300)
        for phases in (0, 1, 2, 3):
            timeline.do("lease", mode=mode, limit_ma=16_000, phases=phases)
            timeline.run(1500)


def narrowing(course: Course, timeline: Timeline) -> None:
    """Every parameter to the values beside its bounds, and what the pilot does under the result."""
    course.host()
    timeline.do("lease", limit_ma=32_000)
    timeline.do("plug")
    timeline.run(3000)
    for name, values in {
        "max_ma": (80_001, 40_000, 32_000, 31_999, 24_000, 25_000, 6_000, 5_999),
        "phases": (4, 3, 2, 1, 3),
        "fitted": (0, 8191),
        "to_c_ms": (99, 100, 300, 1000, 1001),
        "min_off_ms": (0, 1500, 600_001),
        "fault_off_ms": (0, 1500, 2000),
        "wake_after_ms": (0, 1),
        "dead_ms": (9_999, 10_000, 300_000),
        "switch_phases": (2, 1, 0),
        "reclose_tries": (5, 1, 0),
        "reclose_ms": (1, 3_600_000),
        "simple_ma": (6_000, 5_999),
        "derate_ddeg": (800, 300, 299),
        "stop_ddeg": (900, 350, 300, 301),
        "dc_max_ma": (1, 0),
        "ttl_ms": (5001, 500, 499),
    }.items():
        for value in values:
            timeline.do("narrow", parameter=name, value=value)
            timeline.run(250)
    timeline.do("unplug")
    timeline.run(2500)
    timeline.do("plug")
    timeline.run(4000)


def heat(course: Course, timeline: Timeline) -> None:
    """Temperatures up and down again, at the plug and on the board, in half kelvins."""
    course.host()
    timeline.do("lease", limit_ma=32_000)
    timeline.do("plug")
    timeline.run(3000)
    for sensor in ("plug_sensor", "board_sensor"):
        for ddeg in (*range(590, 830, 10), *range(830, 590, -10), 250, -400, -410, 1500, 1510, 250):
            timeline.do("set", **{sensor: {"celsius": ddeg / 10}})
            timeline.run(600)
        timeline.run(1500)
        timeline.do("request", what="clear")
        timeline.run(3000)


def cables(course: Course, timeline: Timeline) -> None:
    """Proximity resistors on both sides of every bound, each plugged in anew, and one that changes under way."""
    course.host()
    timeline.do("lease", limit_ma=80_000)
    for ohm in (58, 59, 60, 79, 80, 140, 141, 308, 309, 936, 937, 4500, 4501):
        timeline.do("set", cable={"ohm": float(ohm)})
        timeline.do("plug")
        timeline.run(1800)
        timeline.do("unplug")
        timeline.run(1000)
    timeline.do("set", cable={"ohm": 220.0})
    timeline.do("plug")
    timeline.run(2500)
    for ohm, ms in (
        (680.0, 95),
        (220.0, 200),
        (680.0, 100),
        (220.0, 200),
        (1500.0, 105),
        (220.0, 500),
        (5000.0, 95),
        (220.0, 300),
    ):
        timeline.do("set", cable={"ohm": ohm})
        timeline.run(ms)
    timeline.do("set", cable={"lost": True})
    timeline.run(4000)


def overload(course: Course, timeline: Timeline) -> None:
    """A car that draws too much, for just not long enough and for just long enough, and one that follows late."""
    course.host()
    timeline.do("lease", limit_ma=16_000)
    timeline.do("plug")
    timeline.run(4000)
    for over_a, ms in ((1.0, 8000), (2.5, 6980), (0.0, 1000), (2.5, 7020), (0.0, 500)):
        timeline.do("set", car={"over_a": over_a})
        timeline.run(ms)
    timeline.do("request", what="clear")
    timeline.run(4000)
    timeline.do("set", car={"obeys_lower": False, "over_a": 0.0})
    timeline.do("lease", limit_ma=8_000)
    timeline.run(12_000)


def phases(course: Course, timeline: Timeline) -> None:
    """From three phases to one and back under a car, with the pause between."""
    course.host()
    timeline.do("lease", limit_ma=16_000, phases=3)
    timeline.do("plug")
    timeline.run(4000)
    for wanted in (1, 3, 3, 0):
        timeline.do("lease", limit_ma=16_000, phases=wanted)
        timeline.run(13_000)
        timeline.run(6000)


def contacts(course: Course, timeline: Timeline) -> None:
    """Contactors that follow just in time and just too late, and lies of their mirror contacts."""
    course.host()
    timeline.do("lease", limit_ma=16_000)
    for close_ms, open_ms in ((235, 20), (245, 20), (255, 20), (25, 60), (25, 245), (25, 255)):
        timeline.do("set", contactor={"close_ms": close_ms, "open_ms": open_ms})
        timeline.do("plug")
        timeline.run(2500)
        timeline.do("unplug")
        timeline.run(1500)
        timeline.do("request", what="clear")
        timeline.run(1500)
    timeline.do("set", contactor={"close_ms": 25, "open_ms": 20})
    timeline.do("plug")
    timeline.run(3000)
    for ms in (TICK_MS, 20, 30, 40, 50, 100):
        timeline.do("set", contactor={"mirror_open": True})
        timeline.run(ms)
        timeline.do("set", contactor={"mirror_open": False})
        timeline.run(500)
        timeline.do("request", what="clear")
        timeline.run(2500)


SWEEPS: dict[str, Sweep] = {
    sweep.__name__: sweep
    for sweep in (levels, glitches, pulses, leases, narrowing, heat, cables, overload, phases, contacts)
}
