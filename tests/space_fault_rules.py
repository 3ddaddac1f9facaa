"""What must hold of faults, of what the station asks for, and of the kernel's reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pilotwire.firmware.kernel import bands, faults, lease, params, table
from space_rules import Asking, Closed, Diode, Duty, NoCarNoPwm, Offer, StateF, WireOff
from space_seen import Cable, Ghost, Rule, Seen, SelfTest, asks_for_phases, need
from space_world import Configuration

# How a fault clears, never before its cause has been away and the contacts have been open for the recovery time.
CAUSE, UNPLUG, REPLUG, RECLOSE, COMMAND, RESTART = "cause", "unplug", "replug", "reclose", "command", "restart"
RCD = params.RCD_DC | params.RCD_AC | params.RCD_TEST


@dataclass(frozen=True)
class Known:
    """What is expected of one fault, stated once more: when it must be there at the latest, and what clears it."""

    bits: int
    clears: str
    evidence: str | int
    """Ticks of its cause after which it must be there (name of a time, or a number)."""
    cause: Callable[[Seen, bool], object] | None = None
    """None: only the kernel can know it; then it is taken from the report."""
    fitted: int = 0
    """It can only occur where one of these is fitted."""


def _loaded(seen: Seen, testing: bool) -> bool:
    car = seen.level in ("B", "C", "D") and seen.now.pilot in (bands.B, bands.C, bands.D)
    return seen.was_pwm and car and seen.stimulus.low_mv > -10000


def _stuck(seen: Seen, testing: bool) -> bool:
    return not seen.was.close and not seen.main_open


def _silent(seen: Seen, testing: bool) -> bool:
    return seen.was.rcd_test and not seen.stimulus.tripped


def _held(seen: Seen, testing: bool) -> bool:
    return testing and not seen.was.rcd_test and seen.stimulus.tripped


def _unlocked(seen: Seen, testing: bool) -> bool:
    return seen.was.close and seen.was.lock and not seen.stimulus.lock_closed


def _phantom(seen: Seen, testing: bool) -> bool:
    return seen.open and seen.stimulus.current >= 1000 and seen.was.phase != table.STOPPING


def _greedy(seen: Seen, testing: bool) -> bool:
    # No lease of the walks is for more than 16 A of alternating current.
    charging = seen.was.phase == table.CLOSED and seen.was.duty != 500 and not seen.main_open
    return charging and seen.stimulus.current > (16000 + 500) * 11 // 10


KNOWN = (
    Known(faults.PILOT_SHORT, CAUSE, "OTHER", lambda seen, testing: seen.level in ("E", "F")),
    Known(faults.PILOT_INVALID, CAUSE, "INVALID", lambda seen, testing: seen.level == "undefined"),
    Known(faults.DIODE, UNPLUG, "DIODE_BAD", _loaded),
    Known(faults.NOT_CLOSED, REPLUG, "FEEDBACK", lambda seen, testing: seen.was.close and seen.main_open),
    Known(faults.WELDED | faults.MIRROR, REPLUG, "FEEDBACK", _stuck),
    Known(faults.MIRROR, REPLUG, "PHANTOM", _phantom, params.CURRENT),
    Known(faults.OVERRUN, CAUSE, 1, lambda seen, testing: seen.late),
    Known(faults.PARAMETERS, RESTART, 1, lambda seen, testing: seen.stimulus.damage),
    Known(faults.CABLE, CAUSE, 1, None, params.SOCKET),
    Known(faults.LOCK, REPLUG, "LOCK", _unlocked, params.LOCK),
    Known(faults.RESIDUAL_DC, RECLOSE, 1, lambda seen, testing: seen.stimulus.tripped and not testing, params.RCD_DC),
    Known(faults.RESIDUAL_TEST, COMMAND, "TRIP", _silent, params.RCD_TEST),
    Known(faults.RESIDUAL_TEST, COMMAND, "RELEASE", _held, params.RCD_TEST),
    Known(faults.EARTH, COMMAND, "EARTH", lambda seen, testing: not seen.stimulus.earth, params.EARTH),
    Known(faults.PEN, COMMAND, "PEN", lambda seen, testing: seen.stimulus.pen, params.PEN),
    Known(faults.STOP_BUTTON, COMMAND, 1, lambda seen, testing: seen.stimulus.stop, params.STOP_BUTTON),
    Known(faults.PLUG_HOT, CAUSE, "SENSOR", lambda seen, testing: 700 <= seen.stimulus.plug < 1250, params.PLUG_TEMP),
    Known(faults.SENSOR, CAUSE, "SENSOR", lambda seen, testing: seen.stimulus.plug >= 1250, params.PLUG_TEMP),
    Known(faults.OVER_CURRENT, REPLUG, "OVER", _greedy, params.CURRENT),
    Known(faults.STATION_STOP, REPLUG, 1, lambda seen, testing: seen.request & lease.REQUEST_STOP),
)


class Latched(Rule):
    """One fault: it is there when its cause has lasted, and stays until its clearing rule is met.

    Ghost: ticks of the cause; latched; ticks since the cause was there; ticks since the contacts are open; tries to reclose;
    self-test, where it matters.
    """

    def __init__(self, configuration: Configuration, known: Known) -> None:
        super().__init__(configuration)
        self.test = SelfTest(configuration)
        self.start = (0, False, 0, 0, 0, self.test.start if known.fitted & RCD else None)
        self.known = known
        self.timed = isinstance(known.evidence, str)
        self.evidence = known.evidence if isinstance(known.evidence, int) else getattr(self.time, known.evidence)
        self.names = " or ".join(faults.names(known.bits))
        self.most = max(self.time.RECOVER, self.time.RECLOSE if known.clears == RECLOSE else 0)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        known = self.known
        count, latched, away, open_for, tries, tested = ghost
        testing = False
        if tested is not None:
            testing = tested[0] > 0 or seen.was.rcd_test
            tested = self.test.step(tested, seen)
        reported = bool(seen.fault & known.bits)
        was_reported = bool(seen.was.faults & known.bits)
        if known.cause is None:
            present = reported and not was_reported
            count = 1 if present else 0
        else:
            present = bool(known.cause(seen, testing))
            count = min(count + (seen.passed if self.timed else 1), self.evidence) if present else 0
        if seen.late and self.timed:
            count = 0
        open_for = min(open_for + seen.passed, self.time.RECOVER) if seen.open else 0
        if seen.unplugged:
            tries = 0
        if count >= self.evidence or (reported and not was_reported):
            latched, away = True, 0
        elif latched:
            away = min(away + seen.passed, self.most)
            if present and known.cause is not None and not self.timed:
                away = 0
            if away >= self.time.RECOVER and open_for >= self.time.RECOVER:
                if self._rule_met(seen):
                    latched = False
                elif known.clears == RECLOSE and not reported:
                    may = away >= self.time.RECLOSE and tries < self.value[params.RECLOSE_TRIES]
                    need(may, f"{self.names} recloses unasked")
                    latched, tries = False, tries + 1
        need(reported or not latched, f"{self.names} is not reported, or gone without its clearing rule")
        return (count, True, away, open_for, tries, tested) if latched else (count, False, 0, 0, tries, tested)

    def _rule_met(self, seen: Seen) -> bool:
        clears, ordered = self.known.clears, seen.request & lease.REQUEST_CLEAR
        if clears == CAUSE:
            return True
        if seen.unplugged and clears in (UNPLUG, REPLUG, RECLOSE):
            return True
        return bool(ordered) and clears in (REPLUG, RECLOSE, COMMAND)


class Reports(Rule):
    """The phase that is reported fits the outputs and the faults; small outputs fit the rest."""

    def step(self, ghost: int, seen: Seen) -> int:
        now, was = seen.now, seen.was
        phase = now.phase
        closed = phase in (table.CLOSED, table.STOPPING, table.DRAINING)
        need(now.close == closed, "the phase does not fit the contactor")
        pwm = phase in (table.OFFERING, table.CLOSED, table.DRAINING, table.TELLING)
        need(seen.pwm == pwm, "the phase does not fit the pilot signal")
        need(seen.f == (phase in (table.SHOWING_F, table.STEP_EF)), "the phase does not fit state F")
        need(seen.off == (phase in (table.WAKING, table.SWITCHING)), "the phase does not fit the pilot wire")
        shows = phase in (table.STOPPING, table.DRAINING, table.TELLING, table.SHOWING_F, table.FAULTED)
        need(shows or not seen.fault or seen.opens, "the phase hides a fault")
        over = was.phase in (table.TELLING, table.SHOWING_F)  # the fault itself may be gone when these end
        need(phase != table.FAULTED or seen.fault or over, "reports a fault that is not there")
        testing = phase in (table.TESTING, table.SETTLING) and self.fits(params.RCD_TEST)
        need(not now.rcd_test or testing or seen.fault, "a self-test outside Testing")
        ventilated = self.fits(params.VENTILATION) and now.pilot == bands.D
        need(now.vent == (ventilated and (now.close or seen.pwm)), "ventilation does not follow state D")
        need(now.lock or not was.lock or (seen.open and not now.close), "the lock moves while the contactor is closed")
        second = now.phases == 3 and self.fits(params.SECOND)
        need(now.close_phases == (now.close and second), "the second contactor does not fit the number of phases")
        return ghost


class Steps(Rule):
    """A step that the station asks for is done where it can be, and only then; it lasts exactly.

    Ghost: ticks of step X1; the car has had power; self-test; cable.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.test = SelfTest(configuration)
        self.cable = Cable(configuration)
        self.start = (0, False, self.test.start, self.cable.start)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        shown_for, powered, tested, cable = ghost
        powered = powered and not seen.unplugged
        tested = self.test.step(tested, seen)
        cable = self.cable.step(cable, seen)
        phase, was = seen.now.phase, seen.was.phase
        asked_ef = seen.request & lease.REQUEST_STEP_EF
        asked_x1 = seen.request & lease.REQUEST_STEP_X1
        if (asked_ef or asked_x1) and was in (table.IDLE, table.OFFERING) and seen.pilot_car and not seen.fault:
            ready = self.test.good(tested, seen) and (not asked_ef or (seen.open and seen.passed))
            if was == table.OFFERING:
                ready = ready and bool(seen.lease) and self.cable.ma(cable) > 0
                ready = ready and (not self.fits(params.LOCK) or (seen.stimulus.lock_closed and seen.now.lock))
                ready = ready and not (powered and asks_for_phases(seen, self.configuration, seen.was.phases))
            done = phase == (table.STEP_EF if asked_ef else table.STEP_X1)
            need(done or not ready, "a step that was asked for is not done")
        if phase == table.STEP_X1:
            if was != table.STEP_X1:
                need(asked_x1 and seen.pilot_car, "step X1 for no reason")
                shown_for = 0
            shown_for = min(shown_for + (seen.passed if shown_for else 1), self.time.STEP_X1 + 1)
            need(shown_for <= self.time.STEP_X1, "step X1 too long")
        elif was == table.STEP_X1:
            need(shown_for == self.time.STEP_X1 or seen.fault or not seen.pilot_car, "step X1 too short")
            shown_for = 0
        powered = powered or seen.closes
        return shown_for, powered, tested, cable


def rules(configuration: Configuration) -> list[Rule]:
    """All that there are, for one configuration."""
    plain: list[Rule] = [
        rule(configuration)
        for rule in (Asking, NoCarNoPwm, Diode, Offer, Closed, Duty, WireOff, StateF, Reports, Steps)
    ]
    return plain + [
        Latched(configuration, known) for known in KNOWN if not known.fitted or configuration.fits(known.fitted)
    ]
