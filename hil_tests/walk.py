"""A random walk: somebody does all that can be done to a station, at random moments, as a seed says. The same seed, the same walk.

Moments lie close to the kernel's own times and values close to its bounds, since that is where a wrong comparison shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pilotwire.firmware.kernel import times

from .course import TICK_MS, Course
from .timeline import Timeline

CLOSE_MS = sorted({value for name, value in vars(times).items() if name.endswith("_MS") and TICK_MS < value <= 7000})
LEVELS_MV = (
    13_500,
    11_000,
    10_500,
    10_000,
    8_000,
    7_500,
    7_000,
    5_000,
    4_500,
    4_000,
    2_000,
    1_500,
    1_000,
    -1_500,
    -12_000,
)
LIMITS_MA = (0, 5_999, 6_000, 6_001, 10_000, 16_000, 20_000, 31_999, 32_000, 51_000, 80_000)
CABLES_OHM = (
    50.0,
    60.0,
    79.0,
    80.0,
    100.0,
    140.0,
    141.0,
    220.0,
    308.0,
    309.0,
    680.0,
    936.0,
    937.0,
    1500.0,
    4500.0,
    4501.0,
)
CELSIUS = (-41.0, -40.0, 25.0, 59.0, 60.5, 65.0, 69.9, 70.0, 79.0, 80.0, 81.0, 150.0)
FAULTS = (
    "cp_short",
    "no_diode",
    "welded",
    "no_close",
    "mirror_stuck",
    "residual_dc",
    "residual_ac",
    "rcd_test_dead",
    "earth_lost",
    "pen_lost",
    "emergency_stop",
    "plug_hot",
    "board_hot",
    "sensor_open",
    "over_current",
    "cable_lost",
    "lock_jammed",
)


class Walk:
    """One walk. `kinds` says what may happen, and how often; done() says nothing: the timeline has it all."""

    def __init__(self, course: Course, timeline: Timeline, seed: int, kinds: dict[str, int]) -> None:
        self._course = course
        self._timeline = timeline
        self._chance = random.Random(seed)
        self._names = list(kinds)
        self._weights = list(kinds.values())

    def go(self, steps: int) -> None:
        """So many things happen, each followed by some time."""
        for _ in range(steps):
            (kind,) = self._chance.choices(self._names, self._weights)
            actions: dict[str, Callable[[], None]] = {
                "plug": lambda: self._do("plug"),
                "unplug": lambda: self._do("unplug"),
                "pull": lambda: self._do("pull"),
                "swipe": lambda: self._do("swipe", tag=self._chance.choice(("MINE", "YOURS", "NOBODYS"))),
                "stop": lambda: self._do("stop"),
                "clear": lambda: self._do("clear"),
                "fault": self._fault,
                "blink": self._blink,
                "level": self._level,
                "wish": self._wish,
                "toggle": self._toggle,
                "heat": self._heat,
                "car": self._car,
                "cable": self._cable,
                "meter": self._meter,
                "pilot": self._pilot,
                "station": self._station,
                "power": self._power,
                "lease": self._lease,
                "request": self._request,
                "narrow": self._narrow,
                "heal": lambda: self._do("heal"),
            }
            actions[kind]()
            self._wait()

    def _do(self, command: str, **arguments: Any) -> None:
        self._timeline.do(command, **arguments)

    def _wait(self) -> None:
        chance = self._chance
        how = chance.random()
        if how < 0.35:
            ms = chance.choice(CLOSE_MS) + chance.choice((-TICK_MS, 0, TICK_MS))
        elif how < 0.8:
            ms = TICK_MS * chance.randrange(1, 200)
        else:
            ms = TICK_MS * chance.randrange(200, 900)
        self._timeline.run(ms)

    def _fault(self) -> None:
        self._do("inject", fault=self._chance.choice(FAULTS))

    def _blink(self) -> None:
        """A fault for about as long as one of the times of the kernel, so that it is just seen or just not."""
        name = self._chance.choice(FAULTS)
        self._do("inject", fault=name)
        self._timeline.run(self._close_ms(1000))
        self._do("heal", fault=name)

    def _close_ms(self, longest_ms: int) -> int:
        times_ms = [ms for ms in CLOSE_MS if ms <= longest_ms]
        return self._chance.choice(times_ms) + self._chance.choice((-2, -1, 0, 1, 2)) * TICK_MS

    def _level(self) -> None:
        """A level on the pilot wire, for a while."""
        held_mv = float(self._chance.choice(LEVELS_MV) + self._chance.choice((-300, -60, 0, 60, 300)))
        self._do("set", circuit={"held": True, "held_mv": held_mv})
        self._timeline.run(max(TICK_MS, self._close_ms(300)))
        self._do("set", circuit={"held": False})

    def _wish(self) -> None:
        self._do("set", car={"wants_charge": self._chance.random() < 0.6})

    def _toggle(self) -> None:
        pulse_ms = self._chance.choice((145, 150, 155, 200, 300, 445, 450, 455))
        self._do("toggle", pulses=self._chance.randrange(1, 5), pulse_ms=pulse_ms, gap_ms=pulse_ms)
        self._timeline.run(3000)

    def _heat(self) -> None:
        sensor = self._chance.choice(("plug_sensor", "board_sensor"))
        self._do("set", **{sensor: {"celsius": self._chance.choice(CELSIUS)}})

    def _car(self) -> None:
        chance = self._chance
        self._do(
            "set",
            car={
                "over_a": chance.choice((0.0, 0.0, 0.0, 1.0, 4.0)),
                "obeys_x1": chance.random() < 0.8,
                "obeys_lower": chance.random() < 0.8,
                "simplified": chance.random() < 0.15,
                "sleeps": chance.random() < 0.15,
                "digital": chance.random() < 0.3,
                "phases": chance.choice((1, 3, 3)),
            },
            circuit={"ventilation": chance.random() < 0.15},
        )

    def _cable(self) -> None:
        self._do("set", cable={"ohm": self._chance.choice(CABLES_OHM), "left": self._chance.random() < 0.1})

    def _meter(self) -> None:
        chance = self._chance
        self._do("meter", silent=chance.random() < 0.3, refusing=chance.random() < 0.2)

    def _pilot(self) -> None:
        chance = self._chance
        do = chance.choice(("reset", "stop", "hang"))
        self._do("pilot", do=do)
        self._timeline.run(TICK_MS * chance.randrange(1, 400))
        self._do("pilot", do={"reset": "resume", "stop": "start", "hang": "resume"}[do])

    def _station(self) -> None:
        self._do("station", do=self._chance.choice(("kill", "stop")))
        self._timeline.run(TICK_MS * self._chance.randrange(1, 400))
        self._do("station", do="start")

    def _power(self) -> None:
        self._do("power", do="off")
        self._timeline.run(TICK_MS * self._chance.randrange(20, 300))
        self._do("power", do="on")

    def _lease(self) -> None:
        chance = self._chance
        self._do(
            "lease",
            mode=chance.choice(("ac", "ac", "ac", "ac", "ac_hlc", "dc", "bpt", "none")),
            limit_ma=chance.choice(LIMITS_MA),
            ttl_ms=chance.choice((500, 1000, 1000, 1000, 5000, 5001)),
            phases=chance.choice((0, 0, 0, 1, 3)),
        )

    def _request(self) -> None:
        self._do("request", what=self._chance.choice(("clear", "clear", "unlock", "stop", "step_ef", "step_x1")))

    def _narrow(self) -> None:
        name, value = self._chance.choice(
            (
                ("max_ma", 24_000),
                ("max_ma", 80_000),
                ("to_c_ms", 200),
                ("phases", 1),
                ("stop_ddeg", 790),
                ("derate_ddeg", 590),
                ("min_off_ms", 1500),
                ("fault_off_ms", 2000),
                ("reclose_tries", 0),
                ("fitted", 0),
                ("ttl_ms", 600),
            )
        )
        self._do("narrow", parameter=name, value=value)
