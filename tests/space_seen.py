"""What can be seen of one tick from outside, and the base of all rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from pilotwire.firmware.kernel import bands, faults, lease, params, table
from space_world import Configuration, Stimulus

Ghost = Any
"""What a rule remembers: small, hashable, and counted no further than it matters."""


class Outputs(NamedTuple):
    """Outputs and reports of the kernel after a step."""

    duty: int
    cp_off: bool
    close: bool
    close_phases: bool
    supply_enable: bool
    lock: bool
    vent: bool
    rcd_test: bool
    phase: int
    faults: int
    limit_ma: int
    phases: int
    pilot: int


class Before(NamedTuple):
    """What of that is still to be seen when the next tick begins."""

    duty: int
    cp_off: bool
    close: bool
    close_phases: bool
    lock: bool
    rcd_test: bool
    phase: int
    faults: int
    phases: int


# The class of each fault, stated once more.
GRACEFUL = faults.LOCK | faults.PLUG_HOT | faults.BOARD_HOT | faults.SENSOR
EMERGENCY = (
    faults.DIODE | faults.NOT_CLOSED | faults.WELDED | faults.MIRROR | faults.PARAMETERS | faults.RESIDUAL_DC
    | faults.RESIDUAL_AC | faults.RESIDUAL_TEST | faults.EARTH | faults.PEN | faults.STOP_BUTTON
)  # fmt: skip
PROMPT = (
    faults.PILOT_SHORT | faults.PILOT_INVALID | faults.OVERRUN | faults.CABLE | faults.OVER_CURRENT | faults.STATION_STOP
)  # fmt: skip


class PropertyError(Exception):
    """A property does not hold."""


class Seen:
    """One tick: the stimulus, what was there before it (`was`), and what came of it (`now`)."""

    __slots__ = (
        "asks", "car", "closes", "f", "fault", "late", "lease", "level", "main_open", "now", "off", "open", "opens",
        "passed", "pilot_car", "power", "pwm", "request", "stimulus", "unplugged", "was", "was_f", "was_pwm", "was_x1", "x1",
    )  # fmt: skip

    def __init__(
        self, configuration: Configuration, was: Before, stimulus: Stimulus, now: Outputs, started: bool
    ) -> None:
        self.was, self.stimulus, self.now = was, stimulus, now
        vent = configuration.fits(params.VENTILATION)
        self.level = stimulus.car
        self.asks = self.level == "C" or (self.level == "D" and vent)
        self.car = self.asks or self.level == "B"
        self.pilot_car = now.pilot in (bands.B, bands.C) or (now.pilot == bands.D and vent)
        self.unplugged = now.pilot == bands.A
        late = self.late = started and stimulus.ms > 1
        self.passed = 1 if started and not late else 0
        self.lease = None if stimulus.withdrawn or late or not started else stimulus.lease
        self.power = self.lease is not None and self.lease[1] > 0
        self.request = stimulus.request
        self.main_open = not stimulus.main
        self.open = self.main_open and not (stimulus.second and configuration.fits(params.SECOND))
        self.fault = now.faults
        self.pwm, self.was_pwm = 0 < now.duty < 10000, 0 < was.duty < 10000
        self.f, self.was_f = now.duty == 0, was.duty == 0
        self.x1, self.was_x1 = now.duty == 10000 and not now.cp_off, was.duty == 10000 and not was.cp_off
        self.off = now.cp_off
        self.closes = now.close and not was.close
        self.opens = was.close and not now.close


class Rule:
    """A property as an observer: `step` takes what it remembers and one tick, returns what it remembers then, or raises
    PropertyError.
    """

    start: Ghost = 0

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.fits = configuration.fits
        self.time: SimpleNamespace = configuration.numbers
        self.value = configuration.parameters

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        raise NotImplementedError


def need(holds: object, words: str) -> None:
    if not holds:
        raise PropertyError(words)


def asks_for_phases(seen: Seen, configuration: Configuration, present: int) -> bool:
    """The lease wants another number of phases than `present`, and the board can do it."""
    if seen.lease is None or not configuration.fits(params.SECOND) or seen.lease[0] in (lease.MODE_DC, lease.MODE_BPT):
        return False
    wanted = seen.lease[2]
    return wanted in (1, 3) and wanted != present and wanted <= configuration.parameters[params.PHASES]


class SelfTest:
    """Whether the self-test of the residual current device is good, seen from its two wires."""

    def __init__(self, configuration: Configuration) -> None:
        self.fitted = configuration.fits(params.RCD_TEST)
        self.period = configuration.numbers.TEST_PERIOD
        self.start = (0, False, self.period)  # 0 no test, 1 test driven, 2 outputs tripped; passed for this car; age

    def step(self, ghost: tuple[int, bool, int], seen: Seen) -> tuple[int, bool, int]:
        if not self.fitted:
            return ghost
        stage, passed, age = ghost
        age = min(age + seen.passed, self.period)
        if seen.unplugged or (seen.was.phase == table.SWITCHING and not seen.off):
            passed = False  # another car, or perhaps another one
        if seen.late:
            age = self.period
        tripped = seen.stimulus.tripped
        if seen.fault & faults.RESIDUAL_TEST:
            return 0, False, self.period
        if stage == 0 and seen.was.rcd_test:
            stage = 1
        if stage == 1 and tripped:
            stage = 2
        elif stage == 2 and not tripped:
            return 0, True, 0
        return stage, passed, age

    def good(self, ghost: tuple[int, bool, int], seen: Seen) -> bool:
        stage, passed, age = ghost
        plugged = bands.B <= seen.now.pilot <= bands.D
        return not self.fitted or (stage == 0 and age < self.period and (passed or not plugged))


class Cable:
    """The cable in the socket: what it carries by its resistor, after some evidence; never more than it has said for this car."""

    start = (0, 0, 0, 0)  # last reading, for how long, reading that counts, smallest one since the car is there

    def __init__(self, configuration: Configuration) -> None:
        self.fitted = configuration.fits(params.SOCKET)
        self.evidence = configuration.numbers.CABLE

    def step(self, ghost: tuple[int, int, int, int], seen: Seen) -> tuple[int, int, int, int]:
        if not self.fitted:
            return ghost
        read_ma, read_for, present_ma, least_ma = ghost
        now_ma = {100: 63000, 220: 32000, 680: 20000, 1500: 13000}.get(seen.stimulus.pp_ohm, 0)
        read_for = min((read_for if now_ma == read_ma else 0) + seen.passed, self.evidence)
        if read_for >= self.evidence:
            present_ma = now_ma
        if seen.unplugged:
            least_ma = 0
        elif bands.B <= seen.now.pilot <= bands.D and present_ma:
            least_ma = min(least_ma or present_ma, present_ma)
        return now_ma, read_for, present_ma, least_ma

    def ma(self, ghost: tuple[int, int, int, int]) -> int:
        """What counts now; without limit where the cable is fixed."""
        return (ghost[3] if ghost[2] else 0) if self.fitted else 10**6
