"""One synchronous step of the safety kernel: inputs in, pilot signal and contactor command out.

The kernel closes the contactor only while the station's lease, the car and its own checks all agree (docs/design.md, "The lease").
What happens in a phase and when it ends stands in table.py; what a fault does, in faults.py; numbers, in times.py and params.py.
"""

from . import (
    bands,
    clearing,
    contactor,
    current,
    diode,
    duty,
    faults,
    heat,
    lease,
    lock,
    monitors,
    params,
    proximity,
    pulses,
    residual,
    signal,
    table,
    times,
)
from .inputs import Inputs
from .ticks import add, elapsed


class Kernel:
    """The safety kernel of one connector.

    Outputs after each step: `duty` (permyriad, see duty.py), `cp_off` (take the car off the pilot wire), `close` (contactor),
    `close_phases` (second contactor, L2 and L3), `supply_enable` (DC), `lock`, `vent`, `rcd_test`. The rest of the public
    fields is for reports.
    """

    def __init__(self, parameters: params.Parameters) -> None:
        self.parameters = parameters
        self.close = False
        self.close_phases = False
        self.cp_off = False
        self.supply_enable = False
        self.vent = False
        self.phase = table.IDLE
        self.conditions = 0  # those of table.py, as of the last step
        self.faults = 0
        self.phases = parameters.value[params.PHASES]
        self.cycles = 0  # contactor closings since boot
        self._wired_phases = self.phases  # narrowing changes what is used, not what is wired
        self.simplified = False  # the car came to C without having been seen in B: it has no S2
        self.contacts_closed = False
        self.phases_closed = False
        self.cp_high_mv = 0
        self.cp_low_mv = 0
        self._signal = signal.Signal()
        self._pilot = bands.PilotState()
        self._diode = diode.Diode()
        self._pulses = pulses.Pulses()
        self._cable = proximity.Cable()
        self._lock = lock.Lock()
        self._main = contactor.Feedback()
        self._second = contactor.Feedback()
        self._residual = residual.Residual()
        self._heat = heat.Heat()
        self._current = current.Current()
        self._monitors = monitors.Monitors()
        self._clearing = clearing.Clearing()
        self._lease = lease.Lease()
        self._requests = 0
        self._started = False
        self._now_ms = 0
        self._phase_ms = 0  # time in the present phase
        self._open_ms = 0  # contacts have reported open for so long
        self._zero_ms = 0  # ... and there was no current
        self._off_ms = parameters.value[params.MIN_OFF_MS]  # minimum off-time that counts now; a restart is an opening
        self._powered = False  # this car has had power
        self._wake = True  # this car may still be woken up
        self._let_go = False  # the station has asked to unlock this car's plug
        self._mode = lease.MODE_NONE  # for which the contactor has closed

    @property
    def duty(self) -> int:
        """The signal on the pilot wire, permyriad."""
        return self._signal.duty

    @property
    def limit_ma(self) -> int:
        """The current that the car is told: by the duty, or by digital communication under the lease."""
        if self._signal.duty == duty.DUTY_HLC and self._lease.power:
            return self._allowed_ma()
        return self._signal.limit_ma

    @property
    def lock(self) -> bool:
        """Drive of the socket's lock."""
        return self._lock.drive

    @property
    def rcd_test(self) -> bool:
        """Test input of the residual current device."""
        return self._residual.test

    @property
    def pilot_state(self) -> int:
        """The debounced pilot state, one of bands.A .. bands.F or bands.INVALID."""
        return self._pilot.state

    @property
    def cable_ma(self) -> int:
        """What the cable in the socket carries; 0 where there is none, it is unreadable, or it is fixed."""
        return self._cable.ma

    @property
    def derated_ma(self) -> int:
        """What the temperatures allow."""
        return self._heat.limit_ma

    @property
    def bcb_pulses(self) -> int:
        """Number of pulses in the last BCB toggle."""
        return self._pulses.pulses

    @property
    def bcb_sequences(self) -> int:
        """BCB toggles so far, modulo 256."""
        return self._pulses.sequences

    def lease_left_ms(self) -> int:
        """Milliseconds until the lease runs out, 0 when there is none."""
        return self._lease.left_ms(self._now_ms)

    def lease(self, mode: int, limit_ma: int, ttl_ms: int, phases: int, issued_ms: int) -> bool:
        """Take a lease; it counts from issued_ms, an instant on the pilot's own clock that the station has echoed.

        lease.MODE_NONE ends the permission gracefully; so does a lease that makes no sense, and in MODE_AC less than 6 A, which no
        duty can say. In the other modes 0 permits the 5 % duty, but no power. `phases` is 1, 3, or 0 for "as it is". A lease older
        than its own ttl_ms, or issued before one that has been heard already, is refused and changes nothing: a delayed one can
        neither prolong permission nor bring back what was withdrawn. Returns whether permission is given by this lease.
        """
        if not self._started:
            return False  # there is no clock yet on which a lease could run out
        value = self.parameters.value
        ttl_ms = ttl_ms if ttl_ms <= value[params.TTL_MS] or ttl_ms > times.TTL_MAX_MS else value[params.TTL_MS]
        return self._lease.take(mode, limit_ma, ttl_ms, phases, issued_ms, self._now_ms, value[params.DC_MAX_MA] > 0)

    def request(self, bits: int) -> None:
        """The station asks for something (lease.REQUEST_...); judged in the next step and then forgotten."""
        self._requests |= bits

    def step(self, now_ms: int, inputs: Inputs) -> None:
        """Run one tick at now_ms (modular milliseconds) and update the outputs."""
        passed_ms = elapsed(now_ms, self._now_ms) if self._started else 0
        self._started = True
        self._now_ms = now_ms
        overrun = passed_ms > times.OVERRUN_MS or passed_ms < 0
        if overrun:
            # Nothing measured before the gap can be trusted, and neither can a lease that nobody watched.
            passed_ms = 0
            self._lease.forget()
            self._pilot.forget()
            self._pulses.stop()
            self._residual.forget()
            self._open_ms = 0
            self._zero_ms = 0
        self.parameters.check()
        self._lease.pass_time(now_ms, passed_ms)
        self._signal.pass_time(passed_ms)
        self._phase_ms = add(self._phase_ms, passed_ms)
        self._measure(inputs, passed_ms)
        causes = self._find_causes(inputs, passed_ms)
        if overrun:
            causes |= faults.OVERRUN
        self._judge_faults(causes, passed_ms)
        self._choose_phases()
        self.conditions = self._find_conditions(inputs)
        self._enter(table.next_phase(self.phase, self.conditions))
        self._requests = 0
        self._drive()

    def _measure(self, inputs: Inputs, passed_ms: int) -> None:
        value = self.parameters.value
        self.contacts_closed = inputs.contacts_closed
        self.phases_closed = inputs.phases_closed and self.parameters.fitted(params.SECOND)
        self.cp_high_mv = inputs.cp_high_mv
        self.cp_low_mv = inputs.cp_low_mv
        open_now = not self.contacts_closed and not self.phases_closed
        still = not self.parameters.fitted(params.CURRENT) or inputs.current_ma < current.ZERO_MA
        self._open_ms = add(self._open_ms, passed_ms) if open_now else 0
        self._zero_ms = add(self._zero_ms, passed_ms) if open_now and still else 0
        if self._signal.duty == duty.DUTY_F or self.cp_off:
            self._pulses.stop()  # our own signal hides the car: the last state stands
        else:
            before = self._pilot.state
            state = self._pilot.update(inputs.cp_high_mv, passed_ms, value[params.TO_C_MS])
            self._pulses.update(inputs.cp_high_mv, passed_ms)
            if bands.asks(state) and (before == bands.A or before == bands.INVALID):
                self.simplified = True
            elif state == bands.B:
                self.simplified = False
        car = bands.B <= self._pilot.state <= bands.D
        self._diode.update(inputs.cp_low_mv, self._signal.pwm, car, passed_ms)
        self._cable.update(inputs.pp_ohm, self._wired_phases, car, passed_ms)
        if self._pilot.state == bands.A:
            self._unplugged()

    def _unplugged(self) -> None:
        """Whatever belongs to one car ends with it."""
        self.simplified = False
        self._signal.restart()
        self._residual.unplugged()
        self._cable.forget()
        self._clearing.unplugged()
        self._powered = False
        self._wake = True
        self._let_go = False

    def _find_causes(self, inputs: Inputs, passed_ms: int) -> int:
        parameters = self.parameters
        state = self._pilot.state
        causes = faults.PARAMETERS if parameters.damaged else 0
        if state == bands.E or state == bands.F:
            causes |= faults.PILOT_SHORT
        elif self._pilot.undefined_ms >= times.INVALID_MS:
            causes |= faults.PILOT_INVALID
        if self._diode.bad:
            causes |= faults.DIODE
        causes |= self._main.update(self.close, self.contacts_closed, passed_ms)
        causes |= self._second.update(self.close_phases, self.phases_closed, passed_ms)
        if parameters.fitted(params.SOCKET) and bands.B <= state <= bands.D and not self._cable.ma:
            in_use = table.OFFERING <= self.phase <= table.TELLING
            if in_use or self.faults & faults.CABLE or self._cable.missing_ms >= times.CABLE_WAIT_MS:
                causes |= faults.CABLE
        tripped = (params.RCD_DC if inputs.rcd_dc else 0) | (params.RCD_AC if inputs.rcd_ac else 0)
        causes |= self._residual.update(tripped, passed_ms, parameters.value[params.FITTED])
        causes |= self._monitors.update(inputs, parameters, passed_ms)
        causes |= self._heat.update(inputs.plug_ddeg, inputs.board_ddeg, parameters, passed_ms)
        if (
            parameters.fitted(params.CURRENT) and not self._direct() and self.phase != table.STOPPING
        ):  # that one has its time
            closed = self.contacts_closed or self.phases_closed
            causes |= self._current.update(inputs.current_ma, self.limit_ma, closed, passed_ms)
        if self._requests & lease.REQUEST_STOP:
            causes |= faults.STATION_STOP
        return causes | self._watch_lock(inputs.lock_closed, passed_ms)

    def _watch_lock(self, lock_closed: bool, passed_ms: int) -> int:
        if not self.parameters.fitted(params.LOCK):
            return 0
        state = self._pilot.state
        may_move = not self.close and self._open_ms > 0
        if may_move:
            if self._requests & lease.REQUEST_UNLOCK:
                self._let_go = True
            if state == bands.A or state == bands.E or self._let_go:
                self._lock.want(False)
            elif bands.B <= state <= bands.D and self._cable.ma:
                self._lock.want(True)
        self._lock.update(lock_closed, may_move, passed_ms)
        return faults.LOCK if self._lock.failed else 0

    def _judge_faults(self, causes: int, passed_ms: int) -> None:
        """Take up new faults, and clear those whose time has come."""
        standing = self.faults | causes
        if standing:
            value = self.parameters.value
            self._off_ms = max(value[params.MIN_OFF_MS], value[params.FAULT_OFF_MS])
            unplugged = self._pilot.state == bands.A
            ordered = self._requests & lease.REQUEST_CLEAR != 0
            proven = self._open_ms >= times.RECOVER_MS
            standing = self._clearing.update(standing, causes, passed_ms, proven, unplugged, ordered, value)
        self.faults = standing

    def _choose_phases(self) -> None:
        """Before this car has had power the number of phases is free; afterwards it changes through SWITCHING only."""
        if self._asks_other_phases() and not self._powered and self._zero_ms >= times.ZERO_MS:
            self.phases = self._lease.phases

    def _asks_other_phases(self) -> bool:
        wanted = self._lease.phases
        mode = self._lease.mode
        if mode != lease.MODE_AC and (mode != lease.MODE_AC_HLC or self._powered):
            return False  # not in the middle of digital communication
        if not self.parameters.fitted(params.SECOND):
            return False
        return (wanted == 1 or wanted == 3) and wanted != self.phases and wanted <= self.parameters.value[params.PHASES]

    def _direct(self) -> bool:
        return self._mode == lease.MODE_DC or self._mode == lease.MODE_BPT

    def _find_conditions(self, inputs: Inputs) -> int:
        parameters = self.parameters
        state = self._pilot.state
        conditions = 0
        if self.faults:
            conditions |= table.FAULT
            if self.faults & faults.ALL_GRACEFUL:
                conditions |= table.GRACEFUL
            if self.faults & faults.ALL_PROMPT:
                conditions |= table.PROMPT
            if self.faults & faults.ALL_EMERGENCY:
                conditions |= table.EMERGENCY
        if self._lease.mode != lease.MODE_NONE:
            conditions |= table.PERMIT
            # The duty may still be that of another mode; a car that obeys it has not asked for this one.
            shown = not self._signal.pwm or (self._signal.duty == duty.DUTY_HLC) != (self._lease.mode == lease.MODE_AC)
            if self._lease.power and shown and (self._mode == lease.MODE_NONE or self._mode == self._lease.mode):
                conditions |= table.POWER
        if bands.B <= state <= bands.C or (state == bands.D and parameters.fitted(params.VENTILATION)):
            conditions |= table.CAR
            if state != bands.B:
                conditions |= table.WANTS
        if self._diode.good:
            conditions |= table.DIODE_OK
        if self._open_ms > 0:
            conditions |= table.PROVEN_OPEN
        if self._open_ms >= self._off_ms:
            conditions |= table.RESTED
        if self._signal.spaced:
            conditions |= table.SPACED
        if self._cable.ma or not parameters.fitted(params.SOCKET):
            conditions |= table.CABLE_OK
        if self._lock.holds or not parameters.fitted(params.LOCK):
            conditions |= table.LOCKED
        if not parameters.fitted(params.RCD_TEST) or self._residual.good(bands.B <= state <= bands.D):
            conditions |= table.TESTED
        if self._phase_ms >= self._phase_max_ms():
            conditions |= table.TIME_UP
        if parameters.fitted(params.CURRENT) and inputs.current_ma <= current.RELAY_SAFE_MA:
            conditions |= table.RELAY_SAFE
        if self._direct():
            conditions |= table.DIRECT
        if self._asks_other_phases() and (parameters.value[params.SWITCH_PHASES] or not self._powered):
            conditions |= table.SWITCH
        if self._zero_ms >= times.ZERO_MS:
            conditions |= table.ZERO
        if self._requests & lease.REQUEST_STEP_EF:
            conditions |= table.ASK_EF
        if self._requests & lease.REQUEST_STEP_X1:
            conditions |= table.ASK_X1
        if self._lease.mode == lease.MODE_AC:
            conditions |= table.NOMINAL
            if self._wake and parameters.value[params.WAKE_AFTER_MS]:
                conditions |= table.WAKE
        return conditions

    def _phase_max_ms(self) -> int:
        phase = self.phase
        if phase == table.STOPPING:
            return times.STOP_MS
        if phase == table.DRAINING:
            return times.DRAIN_MS
        if phase == table.TELLING:
            return times.TELL_MS
        if phase == table.SHOWING_F:
            return times.F_HOLD_MS
        if phase == table.STEP_EF:
            return times.STEP_EF_MS
        if phase == table.STEP_X1:
            return times.STEP_X1_MS
        if phase == table.WAKING:
            return times.WAKE_MS
        if phase == table.SWITCHING:
            return self.parameters.value[params.DEAD_MS]
        if phase == table.SETTLING:
            return times.SETTLE_MS
        return self.parameters.value[params.WAKE_AFTER_MS]

    def _enter(self, phase: int) -> None:
        if phase == self.phase:
            return
        before = self.phase
        self.phase = phase
        self._phase_ms = 0
        if phase == table.IDLE and (before == table.SETTLING or before == table.STEP_X1):
            self._signal.restart()
        if before == table.SWITCHING:
            # Nobody has seen the car for a minute: it may be another one. The 4 s of the other dark phases are too short for that.
            self._pilot.forget()
            self._residual.unplugged()
            if phase == table.SETTLING and self._open_ms > 0 and self.parameters.fitted(params.RCD_TEST):
                self._residual.start()  # here already: PWM is back within a second
        if phase == table.TESTING:
            self._residual.start()
        elif phase == table.WAKING:
            self._wake = False
        elif phase == table.SWITCHING:
            self.phases = self._lease.phases
        close = table.CLOSED <= phase <= table.DRAINING
        if close and not self.close:
            self.cycles += 1
            self._mode = self._lease.mode
            self._powered = True
            self._wake = True
            self._off_ms = self.parameters.value[params.MIN_OFF_MS]
            self.phases = min(self.phases, self.parameters.value[params.PHASES])
            self.close_phases = self.phases == 3 and self.parameters.fitted(params.SECOND)
        elif not close:
            self._mode = lease.MODE_NONE
            self.close_phases = False
        self.close = close

    def _drive(self) -> None:
        phase = self.phase
        if phase == table.OFFERING or phase == table.CLOSED:
            if self._signal.spaced:
                self._signal.show(self._wanted_duty())
        elif phase == table.SHOWING_F or phase == table.STEP_EF:
            self._signal.show(duty.DUTY_F)
        elif phase != table.DRAINING and phase != table.TELLING:
            self._signal.show(duty.DUTY_X1)
        self.cp_off = phase == table.WAKING or phase == table.SWITCHING
        self.supply_enable = phase == table.CLOSED and self._direct() and self.contacts_closed
        self.vent = (
            self._pilot.state == bands.D and self.conditions & table.CAR != 0 and (self.close or self._signal.pwm)
        )

    def _wanted_duty(self) -> int:
        if self._lease.mode == lease.MODE_AC:
            return duty.duty_permyriad(self._allowed_ma())
        return duty.DUTY_HLC

    def _allowed_ma(self) -> int:
        """The smallest of all limits."""
        value = self.parameters.value
        allowed_ma = self._lease.ma
        if self._lease.direct:
            return min(allowed_ma, value[params.DC_MAX_MA])
        allowed_ma = min(allowed_ma, value[params.MAX_MA], self._heat.limit_ma)
        if self.parameters.fitted(params.SOCKET):
            allowed_ma = min(allowed_ma, self._cable.ma)
        if self.simplified:
            allowed_ma = min(allowed_ma, value[params.SIMPLE_MA])
        return allowed_ma
