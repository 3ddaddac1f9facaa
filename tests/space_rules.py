"""What must hold in every tick: contactor, permission, pilot signal. What must hold of faults stands in space_fault_rules.py.

Nothing here knows a row of the kernel's table. Where a rule looks at the phase, it is the one that is reported.
"""

from __future__ import annotations

from pilotwire.firmware.kernel import bands, lease, params, table
from space_seen import EMERGENCY, GRACEFUL, PROMPT, Cable, Ghost, Rule, Seen, SelfTest, asks_for_phases, need
from space_world import Configuration

RELAY_SAFE_MA = 5000
ZERO_MA = 500
STEPS = lease.REQUEST_STEP_EF | lease.REQUEST_STEP_X1
DUTY_HLC = 500
# 32 A to 60 degrees, half way to 6 A at 65, 6 A from 70 on.
DERATED_MA = {250: 32000, 650: 19000, 750: 6000}
ALTERNATING = (lease.MODE_AC, lease.MODE_AC_HLC)


class Asking(Rule):
    """The contactor closes only for a car that has asked long enough, and never outlasts a car that no longer does.

    Ghost: ticks in which S2 is closed (C or D); in which it is plainly open; in which the car plainly does not ask (with D
    it does only where there is ventilation); without a defined level.
    """

    start = (0, 0, 0, 0)

    def step(self, ghost: tuple[int, int, int, int], seen: Seen) -> tuple[int, int, int, int]:
        asks, left, gone, undefined = ghost
        if seen.level == "undefined":
            undefined = min(undefined + 1, self.time.INVALID)
        elif seen.level:
            undefined = 0
            gone = 0 if seen.asks else min(gone + 1, self.time.FROM_C)
            left = 0 if seen.level in ("C", "D") else min(left + 1, self.time.FROM_C)
        if seen.level in ("C", "D"):
            asks = min(asks + 1, self.time.TO_C)
        elif asks < self.time.TO_C or left >= self.time.FROM_C or undefined >= self.time.INVALID:
            asks = 0 if seen.level else asks  # less than that takes nothing away from a car that has asked long enough
        need(not seen.closes or asks >= self.time.TO_C, "closes before the car has asked long enough")
        need(not seen.now.close or gone < self.time.FROM_C, "stays closed although the car does not ask")
        need(not seen.now.close or undefined < self.time.INVALID, "stays closed without a defined level")
        need(not seen.now.close or not seen.f, "closed while the pilot shows F")
        need(not seen.now.close or not seen.off, "closed while the pilot wire is off")
        return asks, left, gone, undefined


class NoCarNoPwm(Rule):
    """PWM ends with the car. Ghost: the level, and for how many ticks it has not been a car's."""

    start = ("", 0)

    def step(self, ghost: tuple[str, int], seen: Seen) -> tuple[str, int]:
        level, away_for = ghost
        if not seen.level:
            return ghost
        if seen.car:
            return "", 0
        longer = {"undefined": self.time.INVALID, "D": self.time.TO_C}
        allowed = max(self.time.OTHER, longer.get(seen.level, 0))
        # Where its going is the fault, the tick of the fault itself still shows PWM.
        allowed += 1 if seen.fault & PROMPT else 0
        away_for = min(away_for + 1 if level == seen.level else 1, allowed)
        need(not seen.pwm or away_for < allowed, "PWM without a car")
        return seen.level, away_for


class Diode(Rule):
    """The contactor closes only after the diode has been seen in the running PWM. Ghost: ticks in which it was."""

    def step(self, ghost: int, seen: Seen) -> int:
        enough = self.time.PWM_SETTLE - 1 + self.time.DIODE_GOOD
        running = seen.was_pwm and seen.level and seen.stimulus.low_mv <= -12000
        ghost = min(ghost + seen.passed, enough) if running else 0
        need(not seen.closes or ghost >= enough, "closes although the diode has not been seen")
        need(not seen.closes or (seen.was_pwm and seen.pwm), "closes without PWM")
        return ghost


class Offer(Rule):
    """PWM is shown to an open circuit only while everything is there, begins only when the contactor may close at once, and
    ends for a reason only.

    Ghost: ticks since all contacts are open; rest they need; the car has had power; ticks of PWM since a prompt stop;
    self-test; cable.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.test = SelfTest(configuration)
        self.cable = Cable(configuration)
        self.most = max(self.time.MIN_OFF, self.time.FAULT_OFF, 1)
        self.start = (0, self.time.MIN_OFF, False, 0, self.test.start, self.cable.start)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        open_for, rest, powered, tell_for, tested, cable = ghost
        open_for = min(open_for + seen.passed, self.most) if seen.open else 0
        rest = self.time.FAULT_OFF if seen.fault else rest
        powered = powered and not seen.unplugged
        tested = self.test.step(tested, seen)
        cable = self.cable.step(cable, seen)
        held = not self.fits(params.LOCK) or (seen.stimulus.lock_closed and seen.now.lock)
        good = self.test.good(tested, seen)
        other = asks_for_phases(seen, self.configuration, seen.now.phases)
        switch = powered and self.value[params.SWITCH_PHASES] and other
        need(not seen.now.rcd_test or seen.was.rcd_test or seen.open, "a self-test begins with contacts closed")
        need(not seen.now.close or self.cable.ma(cable), "stays closed without a cable")
        missing = [
            words
            for words, holds in (
                ("a lease", seen.lease),
                ("a cable", self.cable.ma(cable) > 0),
                ("the lock", held),
                ("a good self-test", good),
                ("the right number of phases", not switch),
            )
            if not holds
        ]
        telling = seen.pwm and (seen.fault & PROMPT or tell_for)
        tell_for = min(tell_for + (seen.passed if tell_for else 1), self.time.TELL + 1) if telling else 0
        asks = seen.now.pilot in (bands.C, bands.D)
        nominal = seen.lease is not None and seen.lease[0] == lease.MODE_AC
        if seen.closes or (seen.pwm and not seen.was_pwm and not seen.now.close):
            verb = "closes" if seen.closes else "PWM starts"
            rested = open_for >= max(rest, 1 if seen.closes else 0)
            need(rested, f"{verb} although the contactor has not rested, proven open")
            need(not missing, f"{verb} without {' and '.join(missing)}")
            need(not seen.fault, f"{verb} in spite of a fault")
        elif seen.pwm and not seen.now.close:
            need(seen.lease or tell_for == 1, "PWM without a lease")
            need(not seen.fault & EMERGENCY, "PWM goes on in spite of an emergency")
            if not seen.was.close and not telling:
                need(not missing, f"PWM goes on without {' and '.join(missing)}")
                need(not seen.fault, "PWM goes on in spite of a fault")
                # A car that asks under nominal PWM expects power within 3 s (sequence 4).
                waits = asks and nominal and open_for < rest
                need(not waits, "PWM goes on for a car that asks, and may not be served")
        need(tell_for <= self.time.TELL, "PWM goes on too long after a prompt stop")
        if seen.was_pwm and not seen.pwm and not seen.now.close:
            told_for = ghost[3]
            stands = seen.pilot_car and seen.lease and not seen.fault & EMERGENCY
            waits = asks and nominal and open_for < rest
            reason = seen.fault or missing or seen.request & STEPS or seen.off or waits or told_for
            need(reason or not stands, "PWM ends for no reason")
            must_tell = seen.fault & PROMPT or told_for
            need(
                not must_tell or told_for >= self.time.TELL or not stands,
                "PWM ends before the car has been told long enough",
            )
        if seen.closes:
            powered, rest = True, self.time.MIN_OFF
        return open_for, rest, powered, tell_for, tested, cable


class Closed(Rule):
    """What keeps the contactor closed, and how it comes to open.

    Ghost: mode for which it closed (0 open); ticks of X1; ticks of drain; a reason to stop stood in the last tick; the car
    has had power; self-test.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.test = SelfTest(configuration)
        self.start = (0, 0, 0, False, False, self.test.start)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        mode, x1_for, drain_for, stood, powered, tested = ghost
        powered = powered and not seen.unplugged
        tested = self.test.step(tested, seen)
        if seen.closes:
            need(seen.power, "closes without a lease for power")
            assert seen.lease is not None
            nominal = seen.was.duty != DUTY_HLC
            need((seen.lease[0] == lease.MODE_AC) == nominal, "closes for a mode that the car has not been told")
            mode, powered = seen.lease[0], True
        permitted = seen.power and seen.lease is not None and seen.lease[0] == mode
        old = not self.test.good(tested, seen)
        other = asks_for_phases(seen, self.configuration, seen.now.phases)
        switch = powered and self.value[params.SWITCH_PHASES] and other
        alternating = mode in ALTERNATING
        reason = bool(not permitted or seen.fault & GRACEFUL or old or (switch and alternating))
        need(not seen.now.supply_enable or (seen.now.close and not alternating), "supply enabled without DC or open")
        if seen.now.close:
            need(not seen.fault & (PROMPT | EMERGENCY), "stays closed in spite of a prompt or emergency fault")
            if alternating:
                x1_for = x1_for + 1 if seen.x1 else 0
                need(not reason or seen.x1, "no X1 although charging has to stop")
                need(reason or not (seen.x1 and seen.was_pwm), "X1 for no reason")
                need(x1_for <= self.time.STOP, "closed too long after X1")
            else:
                drain_for = drain_for + 1 if reason or drain_for else 0
                live = seen.stimulus.main and not drain_for
                need(seen.pwm, "DC closed without PWM")
                need(not seen.now.supply_enable or not drain_for, "supply not disabled at once")
                need(seen.now.supply_enable or not live, "supply disabled for no reason")
                need(not seen.now.supply_enable or seen.stimulus.main, "supply enabled before the contacts have closed")
                need(drain_for <= self.time.DRAIN, "contacts closed too long after the supply is disabled")
                need(not self._safe(seen) or drain_for < 2, "stays closed at relay-safe current")
        if seen.opens and not seen.fault & (PROMPT | EMERGENCY) and seen.asks:
            if alternating:
                need(x1_for >= self.time.STOP, "opens under load too early")
                need(reason or stood, "opens under load for no reason")
            else:
                need(drain_for, "opens under load for no reason")
                late = drain_for >= self.time.DRAIN
                need(late or self._safe(seen), "opens under more than relay-safe current too early")
        if not seen.now.close:
            mode, x1_for, drain_for, reason = 0, 0, 0, False
        return mode, x1_for, drain_for, reason, powered, tested

    def _safe(self, seen: Seen) -> bool:
        return self.fits(params.CURRENT) and seen.stimulus.current <= RELAY_SAFE_MA


class Duty(Rule):
    """The duty changes at most every SPACING, then says the smallest limit at once and never more than it; after a step or
    with the pilot wire back, X1 is shown long enough first.

    Ghost: ticks since the last change; it may change at once; X1 ticks since F or off (-1: none); X1 ticks since step X1
    (-1: none); cable; state reported last; the car has come to C without B; temperature believed last.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.cable = Cable(configuration)
        self.capped = self.value[params.SIMPLE_MA] < self.value[params.MAX_MA]
        self.start = (self.time.SPACING, False, -1, -1, self.cable.start, 0, False, 250)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        since, free, settled, stepped, cable, state, simple, ddeg = ghost
        since = min(since + seen.passed, self.time.SPACING)
        free = free or seen.unplugged
        if settled >= 0 and seen.was_x1:
            settled = min(settled + seen.passed, self.time.SETTLE)
            free = free or (settled >= self.time.SETTLE and not seen.fault)
        if stepped >= 0 and seen.was_x1:
            stepped = min(stepped + seen.passed, self.time.STEP_X1)
            free = free or (stepped >= self.time.STEP_X1 and not seen.fault)
        may_change = since >= self.time.SPACING or free
        cable = self.cable.step(cable, seen)
        if self.capped and seen.now.pilot != state:
            straight = state in (bands.A, bands.INVALID) and seen.now.pilot in (bands.C, bands.D)
            simple = straight or (simple and seen.now.pilot not in (bands.A, bands.B))
            state = seen.now.pilot
        own_ma = min(self.cable.ma(cable), self.value[params.SIMPLE_MA] if simple else self.value[params.MAX_MA])
        if self.fits(params.PLUG_TEMP):
            ddeg = seen.stimulus.plug if seen.stimulus.plug < 1250 else ddeg
            own_ma = min(own_ma, DERATED_MA[ddeg])
        limit_ma = self._limit_ma(seen, own_ma)
        if seen.pwm and seen.now.duty != seen.was.duty:
            need(may_change, "the duty changes too early")
            need(settled < 0 or settled >= self.time.SETTLE, "PWM before X1 has settled")
            need(stepped < 0 or stepped >= self.time.STEP_X1, "PWM before step X1 is over")
            need(seen.now.duty == limit_ma[0], "the new duty does not say the smallest limit")
        elif seen.pwm and may_change and seen.now.phase in (table.OFFERING, table.CLOSED) and seen.lease:
            need(seen.now.duty == limit_ma[0], "the duty could say the new limit, and does not")
        if seen.now.duty == DUTY_HLC:
            need(seen.now.limit_ma <= limit_ma[1], "the limit in force exceeds the smallest limit")
        else:
            said_ma = seen.now.duty * 6 if seen.pwm else 0
            need(seen.now.limit_ma == said_ma, "the limit in force is not what the duty says")
        if seen.now.duty != seen.was.duty:
            since, free = 0, False
        if seen.f or seen.off:
            settled, stepped = (-1, -1) if seen.fault else (0, -1)
        elif seen.pwm or seen.fault or seen.unplugged:
            settled, stepped = -1, -1
        elif seen.now.phase == table.STEP_X1 and seen.was.phase != table.STEP_X1:
            stepped = 0
        return since, free, settled, stepped, cable, state, simple, ddeg

    def _limit_ma(self, seen: Seen, own_ma: int) -> tuple[int, int]:
        """Duty that says the smallest limit, and the limit itself."""
        if seen.lease is None:
            return -1, 0
        mode, limit_ma, _ = seen.lease
        if mode in ALTERNATING:
            limit_ma = min(limit_ma, own_ma)
        else:
            limit_ma = min(limit_ma, self.value[params.DC_MAX_MA])
        return (limit_ma // 6 if mode == lease.MODE_AC else DUTY_HLC), limit_ma


class WireOff(Rule):
    """The car is taken off the pilot wire to wake it up or to change the number of phases; the phases change nowhere else.

    Ghost: ticks off; what for; ticks for which PWM has been offered; woken up already; the car has had power; ticks without
    current.
    """

    start = (0, "", 0, False, False, 0)

    def step(self, ghost: Ghost, seen: Seen) -> Ghost:
        off_for, purpose, offered_for, woken, powered, zero_for = ghost
        if seen.unplugged:
            woken = powered = False
        still = not self.fits(params.CURRENT) or seen.stimulus.current < ZERO_MA
        zero_for = min(zero_for + seen.passed, self.time.ZERO) if seen.open and still else 0
        wanted = asks_for_phases(seen, self.configuration, seen.was.phases)
        changed = seen.now.phases != seen.was.phases
        proven = zero_for >= self.time.ZERO
        if seen.off and not seen.was.cp_off:
            purpose = "switch" if changed else "wake"
            need(seen.pilot_car, "the wire goes off without a car")
            if changed:
                need(wanted and powered and self.value[params.SWITCH_PHASES], "switches phases for no reason")
                need(proven, "switches phases without proven zero current")
            else:
                alive = seen.lease is not None and seen.lease[0] == lease.MODE_AC and self.time.WAKE_AFTER > 0
                need(alive and offered_for >= self.time.WAKE_AFTER, "wakes the car up too early")
                need(not woken, "wakes the car up twice")
                need(seen.now.pilot == bands.B, "wakes up a car that asks")
                woken = True
        elif changed:
            at_closing = seen.closes and seen.now.phases == min(seen.was.phases, self.value[params.PHASES])
            need(at_closing or (wanted and proven and not powered), "the number of phases changes under way")
        exact = self.time.DEAD if purpose == "switch" else self.time.WAKE
        need(not seen.off or not seen.fault, "the wire is off in spite of a fault")
        if seen.off:
            off_for += seen.passed if off_for else 1
            need(off_for <= exact, "the wire is off too long")
        elif seen.was.cp_off:
            need(off_for == exact or seen.fault, "the wire is off too short")
            off_for, purpose = 0, ""
        offering = seen.pwm and not seen.now.close and not seen.fault and seen.now.phase == table.OFFERING
        offered_for = min(offered_for + 1, self.time.WAKE_AFTER + 1) if offering and self.time.WAKE_AFTER else 0
        if offered_for > self.time.WAKE_AFTER > 0 and seen.lease is not None and seen.lease[0] == lease.MODE_AC:
            need(woken or seen.now.pilot != bands.B, "does not wake up a car that sleeps")
        offered_for = min(offered_for, self.time.WAKE_AFTER)
        if seen.closes:
            woken, powered = False, True
        return off_for, purpose, offered_for, woken, powered, zero_for


class StateF(Rule):
    """F is shown in the tick of an emergency and for its hold time, or for the length of a step EF that was asked for.

    Ghost: what for; for how many ticks.
    """

    start = ("", 0)

    def step(self, ghost: tuple[str, int], seen: Seen) -> tuple[str, int]:
        purpose, shown_for = ghost
        new = seen.fault & EMERGENCY & ~seen.was.faults
        if seen.f:
            if not seen.was_f:
                need(new or (seen.request & lease.REQUEST_STEP_EF and not seen.fault), "F for no reason")
                purpose, shown_for = ("emergency" if new else "step"), 0
                need(new or seen.open, "F for a step although the contacts are not proven open")
            elif purpose == "step" and seen.fault:
                need(new, "F goes on although a fault ends the step")
                purpose, shown_for = "emergency", 0
            shown_for += seen.passed if shown_for else 1
            need(shown_for <= (self.time.F_HOLD if purpose == "emergency" else self.time.STEP_EF), "F too long")
            return purpose, shown_for
        if seen.was_f:
            need(purpose == "step" or shown_for >= self.time.F_HOLD, "F too short")
            need(purpose == "emergency" or shown_for >= self.time.STEP_EF or seen.fault, "step EF too short")
        # Where another fault has opened the circuit and been shown already, it stays as it is.
        need(not new or seen.was.phase in (table.SHOWING_F, table.FAULTED), "an emergency without F")
        return "", 0
