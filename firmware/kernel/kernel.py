"""One synchronous step of the safety kernel: inputs in, pilot signal and contactor command out.

The kernel closes the contactor only while the station's lease, the car and its own checks all agree (docs/design.md, "The lease").
Numbers: project fact sheet on IEC 61851-1, sections 4 and 8.
"""

from . import bands, duty, faults, table
from .ticks import elapsed

MODE_NONE = 0
MODE_AC = 1

TTL_MAX_MS = 5000  # the pilot bounds what any station may ask for
STOP_MS = 6200  # open under load no earlier than 6.0 s and no later than 6.5 s after X1 (sequence 10.2)
F_HOLD_MS = 300  # state F is shown at least this long (Table A.5 as restated in the fact sheet)
DUTY_SPACING_MS = 5000  # the duty changes at most every 5 s, except to X1 (sequence 6)
LOST_MS = 20  # a mirror contact that falls while commanded closed: nobody told it to, so the coil has lost its power
FEEDBACK_MS = 250  # a contactor follows its command within this time
OVERRUN_MS = 40  # the charge pump holds the coil no longer: a later tick has lost control of the contactor
PWM_SETTLE_MS = 20  # the negative level means something only after PWM has run this long
DIODE_MAX_MV = -10000  # with a diode the negative level stays at -12 V; loaded it rises above this
DIODE_GOOD_MS = 100
DIODE_BAD_MS = 50


class Inputs:
    """What the hardware says in one tick. Set the fields, then call Kernel.step."""

    def __init__(self) -> None:
        self.cp_high_mv = 0  # highest level of the control pilot since the last tick
        self.cp_low_mv = 0  # lowest level of the control pilot since the last tick
        self.contacts_closed = False  # mirror contact


class Kernel:
    """The safety kernel of one connector.

    Outputs after each step: `duty` (permyriad, see duty.py) and `close` (the contactor command). The rest of the public
    fields is for reports. `max_ma` is the board's own limit; a lease can only go below it.
    """

    def __init__(self, max_ma: int) -> None:
        self.max_ma = max_ma
        self.duty = duty.DUTY_X1
        self.close = False
        self.phase = table.IDLE
        self.faults = 0
        self.limit_ma = 0  # the limit that the present duty advertises
        self.cycles = 0  # contactor closings since boot
        self.contacts_closed = False
        self.cp_high_mv = 0
        self.cp_low_mv = 0
        self._pilot = bands.PilotState()
        self._lease_mode = MODE_NONE
        self._lease_ma = 0
        self._lease_ttl_ms = 0
        self._lease_from_ms = 0
        self._heard_age_ms = TTL_MAX_MS  # age of the newest lease or withdrawal that was heard, saturating
        self._clear_wanted = False
        self._started = False
        self._now_ms = 0
        self._phase_ms = 0  # time in the present phase, saturating
        self._duty_ms = (
            DUTY_SPACING_MS  # time since the duty last changed, saturating; the first change may come at once
        )
        self._pwm_ms = 0
        self._diode_good_ms = 0
        self._diode_bad_ms = 0
        self._mismatch_ms = 0
        self._confirmed = False  # the mirror contact has followed the present closing
        self._valid_ms = 0
        self._open_ms = 0

    @property
    def pilot_state(self) -> int:
        """The debounced pilot state, one of bands.A .. bands.F or bands.INVALID."""
        return self._pilot.state

    def lease_left_ms(self) -> int:
        """Milliseconds until the lease runs out, 0 when there is none."""
        if self._lease_mode == MODE_NONE:
            return 0
        left = self._lease_ttl_ms - elapsed(self._now_ms, self._lease_from_ms)
        return left if left > 0 else 0

    def lease(self, mode: int, limit_ma: int, ttl_ms: int, issued_ms: int) -> bool:
        """Take a lease; it counts from issued_ms, an instant on the pilot's own clock that the station has echoed.

        MODE_NONE, or less than 6 A (which no duty can say), ends the permission gracefully; so does a lease that makes no
        sense. A lease older than its own ttl_ms, or issued before one that has been heard already, is refused and changes
        nothing: a delayed one can neither prolong permission nor bring back what was withdrawn.
        Returns whether permission is given by this lease.
        """
        if not self._started:
            return False  # there is no clock yet on which a lease could run out
        age_ms = elapsed(self._now_ms, issued_ms)
        in_order = 0 <= age_ms <= self._heard_age_ms
        if in_order:
            self._heard_age_ms = age_ms
        limit_ma = min(limit_ma, self.max_ma)
        if mode != MODE_AC or limit_ma < duty.MIN_MA or ttl_ms <= 0 or ttl_ms > TTL_MAX_MS:
            self._lease_mode = MODE_NONE
            return False
        if not in_order or age_ms >= ttl_ms:
            return False
        self._lease_mode = mode
        self._lease_ma = limit_ma
        self._lease_ttl_ms = ttl_ms
        self._lease_from_ms = issued_ms
        return True

    def clear(self) -> None:
        """The station (a person) asks to clear faults that may be cleared by command; judged in the next step."""
        self._clear_wanted = True

    def step(self, now_ms: int, inputs: Inputs) -> None:
        """Run one tick at now_ms (modular milliseconds) and update the outputs."""
        passed_ms = elapsed(now_ms, self._now_ms) if self._started else 0
        self._started = True
        self._now_ms = now_ms
        self.contacts_closed = inputs.contacts_closed
        self.cp_high_mv = inputs.cp_high_mv
        self.cp_low_mv = inputs.cp_low_mv
        if passed_ms > OVERRUN_MS or passed_ms < 0:
            # Nothing measured before the gap can be trusted, and neither can a lease that nobody watched.
            self.faults |= faults.OVERRUN
            self._lease_mode = MODE_NONE
            self._pilot.forget()
            passed_ms = 0
            self._open_ms = 0
            self._valid_ms = 0
        self._heard_age_ms = _add(self._heard_age_ms, passed_ms)
        if self.lease_left_ms() == 0:
            # Forgotten, not just over: after half a turn of the clock its age would read negative and the lease alive again.
            self._lease_mode = MODE_NONE
        self._measure(passed_ms)
        self._find_faults(passed_ms)
        self._clear_faults()
        self._enter(table.next_phase(self.phase, self._conditions()), passed_ms)
        self._drive(passed_ms)

    def _measure(self, passed_ms: int) -> None:
        if self.duty == duty.DUTY_F:
            self._pwm_ms = 0
            return  # our own -12 V hides the car: keep the last state
        state = self._pilot.update(self.cp_high_mv, passed_ms)
        self._valid_ms = _add(self._valid_ms, passed_ms) if bands.A <= state <= bands.D else 0
        self._pwm_ms = 0 if self.duty == duty.DUTY_X1 else _add(self._pwm_ms, passed_ms)
        if self._pwm_ms < PWM_SETTLE_MS or not bands.B <= state <= bands.D:
            self._diode_good_ms = 0
            self._diode_bad_ms = 0
        elif self.cp_low_mv <= DIODE_MAX_MV:
            self._diode_good_ms = _add(self._diode_good_ms, passed_ms)
            self._diode_bad_ms = 0
        else:
            self._diode_good_ms = 0
            self._diode_bad_ms = _add(self._diode_bad_ms, passed_ms)

    def _find_faults(self, passed_ms: int) -> None:
        state = self._pilot.state
        if state in (bands.E, bands.F):
            self.faults |= faults.PILOT_SHORT
        elif self._pilot.undefined_ms >= bands.INVALID_MS:
            self.faults |= faults.PILOT_INVALID
        if self._diode_bad_ms >= DIODE_BAD_MS:
            self.faults |= faults.DIODE
        self._open_ms = 0 if self.contacts_closed else _add(self._open_ms, passed_ms)
        if self.contacts_closed == self.close:
            self._mismatch_ms = 0
            self._confirmed = self.close
            return
        self._mismatch_ms = _add(self._mismatch_ms, passed_ms)
        if self._mismatch_ms >= (LOST_MS if self.close and self._confirmed else FEEDBACK_MS):
            self.faults |= faults.NOT_CLOSED if self.close else faults.WELDED

    def _clear_faults(self) -> None:
        unplugged = self._pilot.state == bands.A
        proven_open = self._open_ms >= faults.RECOVER_MS
        for bit, _, rule in faults.FAULTS:
            if not self.faults & bit:
                continue
            if (
                (rule == faults.CLEAR_VALID and self._valid_ms >= faults.RECOVER_MS)
                or (rule == faults.CLEAR_UNPLUG and unplugged)
                or (rule == faults.CLEAR_COMMAND and proven_open and (unplugged or self._clear_wanted))
                or (rule == faults.CLEAR_TIME and proven_open)
            ):
                self.faults &= ~bit
        self._clear_wanted = False

    def _conditions(self) -> int:
        state = self._pilot.state
        conditions = 0
        if self.faults:
            conditions |= table.FAULT
        if self.lease_left_ms() > 0:
            conditions |= table.LEASE
        if bands.B <= state <= bands.D:
            conditions |= table.CAR
        if state == bands.C:
            conditions |= table.WANTS
        if self._diode_good_ms >= DIODE_GOOD_MS:
            conditions |= table.DIODE_OK
        if not self.contacts_closed:
            conditions |= table.PROVEN_OPEN
        if self._phase_ms >= STOP_MS:
            conditions |= table.STOP_TIMEOUT
        if self._phase_ms >= F_HOLD_MS:
            conditions |= table.F_SHOWN
        return conditions

    def _enter(self, phase: int, passed_ms: int) -> None:
        if phase == self.phase:
            self._phase_ms = _add(self._phase_ms, passed_ms)
            return
        self.phase = phase
        self._phase_ms = 0
        close = phase in (table.CLOSED, table.STOPPING)
        if close and not self.close:
            self.cycles += 1
        self.close = close

    def _drive(self, passed_ms: int) -> None:
        self._duty_ms = _add(self._duty_ms, passed_ms)
        if self.phase in (table.OFFERING, table.CLOSED):
            wanted = duty.duty_permyriad(self._lease_ma)
            first = self.duty in (duty.DUTY_X1, duty.DUTY_F)
            if wanted != self.duty and (first or self._duty_ms >= DUTY_SPACING_MS):
                self._set_duty(wanted)
        elif self.phase == table.FAULTED and self._phase_ms < F_HOLD_MS:
            self._set_duty(duty.DUTY_F)
        else:
            self._set_duty(duty.DUTY_X1)

    def _set_duty(self, permyriad: int) -> None:
        if permyriad != self.duty:
            self.duty = permyriad
            self._duty_ms = 0
            self.limit_ma = duty.advertised_ma(permyriad)


def _add(total_ms: int, passed_ms: int) -> int:
    """Add and saturate, so that no timer ever comes near 2**30."""
    total_ms += passed_ms
    return total_ms if total_ms < 600000 else 600000
