"""A random surrounding for the safety kernel: car, contactors and sensors that mostly make sense, so that it charges often.

MicroPython subset; World.tick allocates nothing, so that it can run with the heap locked (hence no swap of
more than three names at once). It is a rough picture and not the simulated
circuit: levels are set without a resistor network, contacts follow their command after a number of ticks.
"""

from kernel_station import MASK, Lcg, Station
from pilotwire.firmware.kernel import lease, params, table
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.kernel.kernel import Kernel

# What a car shows, and what no healthy car does.
LEVELS_MV = (12000, 9000, 6000, 3000)
SHORT_MV = (0, -12000)
UNDEFINED_MV = (14500, -5000)
A = 0
B = 1
C = 2
D = 3

PP_OHM = (1500, 680, 680, 220, 220, 220, 100, 100)
STUCK = (table.IDLE, table.FAULTED)
TICK_MS = (5, 10, 20, 20, 33, 39, 39, 40)

# What goes wrong, one thing at a time: the number of the event, and for how long at most.
ANY_LEVEL = 0
SHORT = 1
UNDEFINED = 2
NO_DIODE = 3
WELDED = 4
STUCK_OPEN = 5
STUCK_PHASES = 6
FLIP = 7
FLIP_PHASES = 8
CABLE = 9
LOCK_STUCK = 10
RCD_DC = 11
RCD_AC = 12
RCD_DEAD = 13
RCD_STAYS = 14
EARTH = 15
PEN = 16
STOP = 17
PLUG_HOT = 18
BOARD_HOT = 19
PLUG_BROKEN = 20
BOARD_BROKEN = 21
TOO_MUCH = 22
PHANTOM = 23
SILENCE = 24
STATION_STOP = 25
NOTHING = 26
LASTS_MS = (400, 300, 600, 300, 900, 4000, 3000, 80, 80, 400, 9000, 200, 200, 6000)
LASTS_MS += (6000, 200, 200, 100, 6000, 6000, 2000, 2000, 16000, 1500, 8000, 200, 1000)
WHILE_CLOSED = (NO_DIODE, WELDED, STUCK_PHASES, FLIP, CABLE, TOO_MUCH, SILENCE, STATION_STOP)
UNTIL_OPENING = (WELDED, STUCK_PHASES)
STUCK_CONTACTS = (STUCK_OPEN, WELDED)
WHILE_UNPLUGGED = (STUCK_OPEN, LOCK_STUCK, RCD_DEAD, RCD_STAYS, PHANTOM)


class World:
    """Pins, car and station around one kernel after another. With `extreme` every input goes to the ends of its range at times."""

    def __init__(self, seed: int, start_ms: int, extreme: bool) -> None:
        self.rng = Lcg(seed)
        self.station = Station(self.rng)
        self.now_ms = start_ms & MASK
        self.inputs = Inputs()
        self.kernel = None
        self.parameters = None
        self.decay = False  # memory decays: nothing but a restart helps against it
        self._extreme = extreme
        self._patient = False  # nobody clears a fault, nobody unplugs: it may clear by itself
        self._wild = False
        self._tick_ms = 5
        self._car = A
        self._car_left = 0
        self._pulses = 0
        self._pulse_ms = 0
        self.event = NOTHING  # what is wrong now
        self._event_ms = 0
        self._next_event = NOTHING
        self._round = self.rng.below(NOTHING)  # where the board has everything, one event follows the other
        self._all_fitted = False
        self._event_in = 0
        self._strange_mv = 0
        self._waited = bytearray(
            4
        )  # for how many ticks contacts, second contacts, lock, residual current device are behind
        self._pp_ohm = 680
        self._draw_percent = 0
        self._flow_ma = 0
        self._plug_ddeg = 250
        self._board_ddeg = 250

    def restart(self, block: "tuple[int, ...]", patient: bool) -> None:
        """A new kernel; its surroundings stay as they are. This allocates."""
        self.adopt(Kernel(params.Parameters(block, params.seal(block))), patient)

    def adopt(self, kernel: Kernel, patient: bool) -> None:
        """Surround this kernel from now on."""
        self.kernel = kernel
        self.parameters = kernel.parameters
        self.station.kernel = self.kernel
        self.station.parameters = self.parameters
        self.station.patient = patient
        self._patient = patient
        self._all_fitted = self.parameters.value[params.FITTED] == params.LIMITS[params.FITTED][1]
        self.decay = False

    def tick(self) -> None:
        """One step of the kernel, and the station's turn."""
        self.pass_time()
        self.kernel.step(self.now_ms, self.inputs)
        if self.event == STATION_STOP:
            self.kernel.request(lease.REQUEST_STOP)
        elif self.event != SILENCE:
            self.station.calm = self.event == TOO_MUCH
            self.station.turn(self.now_ms)

    def pass_time(self) -> None:
        """Some milliseconds later: everything but kernel and station."""
        rng = self.rng
        if not rng.below(400):
            self._tick_ms = 39 if self._patient else TICK_MS[rng.below(len(TICK_MS))]
            self._wild = self._extreme and not rng.below(3)
            self.station.wild = self._wild
        passed_ms = self._tick_ms if rng.below(3000) else rng.below(300)
        self.now_ms = (self.now_ms + passed_ms) & MASK
        self._go_wrong(passed_ms)
        self._turn_car(passed_ms)
        self._show_pilot()
        self._move_contacts()
        self._fill_sensors()
        if self._wild:
            self._go_wild()

    def _go_wrong(self, passed_ms: int) -> None:
        rng = self.rng
        if self.decay and not rng.below(50):
            self.parameters.value[rng.below(len(params.LIMITS))] ^= 1 << rng.below(8)
            self.decay = False
        if self._event_ms > passed_ms:
            self._event_ms -= passed_ms
            return
        self.event = NOTHING
        if self._event_in:
            self._event_in -= 1
            return
        # Mostly where it matters; a fault that is there already would hide it.
        closed = self.inputs.contacts_closed
        ready = not closed if self._next_event in WHILE_UNPLUGGED else closed or self._next_event not in WHILE_CLOSED
        if (self.kernel.faults and rng.below(300)) or (not ready and rng.below(1500)):
            return
        self.event = self._next_event
        if self._patient and self.event != RCD_DC:
            self.event = NOTHING
        if self.event in UNTIL_OPENING:
            self._car = B
            self._car_left = 100
        elif self.event == TOO_MUCH:
            self._car = C
            self._car_left = 1000
        elif self.event in WHILE_UNPLUGGED:
            self._car = A
            self._car_left = 20
        most_ms = LASTS_MS[self.event]
        self._event_ms = most_ms if rng.below(6) else rng.below(most_ms)
        self._event_in = rng.below(300)
        if self._all_fitted:
            self._round = self._round + 1 if self._round + 1 < NOTHING else 0
        self._next_event = self._round if self._all_fitted else rng.below(NOTHING)
        if self.event == ANY_LEVEL:
            self._strange_mv = rng.below(30000) - 15000
        else:
            self._strange_mv = (SHORT_MV if self.event == SHORT else UNDEFINED_MV)[rng.below(2)]

    def _turn_car(self, passed_ms: int) -> None:
        rng, kernel = self.rng, self.kernel
        if self._pulses:
            # BCB toggles: 200..400 ms each
            self._pulse_ms -= passed_ms
            if self._pulse_ms <= 0:
                self._pulses -= 1
                self._pulse_ms = 180 + rng.below(240)
                self._car = C if self._pulses & 1 else B
            return
        if self._car_left:
            self._car_left -= 1
            if self._car >= C and kernel.duty == 10000 and not rng.below(150):
                self._car = B  # as a car does that sees X1
            if not self._patient and kernel.phase in STUCK and not rng.below(80 if kernel.faults else 400):
                self._car = A  # the driver gives up, and tries again
                self._car_left = 40
            return
        choice = rng.below(30)
        if self._car == A:
            self._car = B if choice < 25 else C
            self._car_left = 20 + rng.below(100)
            self._pp_ohm = PP_OHM[rng.below(len(PP_OHM))] if rng.below(20) else rng.below(6000)
        elif choice < 2 and not self._patient:
            self._car = A
            self._car_left = 20 + rng.below(60)
        elif choice == 2 and self._car == B:
            self._pulses = 2 + rng.below(8)
        elif choice < 7:
            self._car = B
            self._car_left = 20 + rng.below(300)
        elif choice == 7:
            self._car = D
            self._car_left = 20 + rng.below(200)
        else:
            self._car = C
            self._car_left = 50 + rng.below(900)
        self._draw_percent = 30 + rng.below(70)

    def _show_pilot(self) -> None:
        inputs, kernel, rng = self.inputs, self.kernel, self.rng
        high_mv = self._strange_mv if self.event <= UNDEFINED else LEVELS_MV[self._car]
        if kernel.cp_off:
            high_mv = 12000
        elif kernel.duty == 0:
            high_mv = -12000
        high_mv += rng.below(300) - 150
        low_mv = high_mv
        if 0 < kernel.duty < 10000:
            low_mv = -5600 if self.event == NO_DIODE else -12000 + rng.below(300) - 150
        inputs.cp_high_mv = high_mv
        inputs.cp_low_mv = low_mv

    def _follow(self, which: int, level: bool, command: bool, stuck: bool) -> bool:
        """What follows a command by some ticks."""
        if level == command or stuck:
            self._waited[which] = 0
            return level
        self._waited[which] += 1
        if self._waited[which] <= self.rng.below(6):
            return level
        self._waited[which] = 0
        return command

    def _move_contacts(self) -> None:
        inputs, kernel, event = self.inputs, self.kernel, self.event
        stuck = event in STUCK_CONTACTS
        inputs.contacts_closed = self._follow(0, inputs.contacts_closed, kernel.close, stuck)
        inputs.phases_closed = self._follow(1, inputs.phases_closed, kernel.close_phases, event == STUCK_PHASES)
        if event == FLIP:
            inputs.contacts_closed = not kernel.close
        elif event == FLIP_PHASES:
            inputs.phases_closed = not kernel.close_phases
        inputs.lock_closed = event != LOCK_STUCK and self._follow(2, inputs.lock_closed, kernel.lock, False)
        stuck = event == RCD_DEAD if kernel.rcd_test else event == RCD_STAYS
        tripped = self._follow(3, inputs.rcd_dc and inputs.rcd_ac, kernel.rcd_test, stuck)
        inputs.rcd_dc = tripped or event == RCD_DC
        inputs.rcd_ac = tripped or event == RCD_AC

    def _fill_sensors(self) -> None:
        inputs, kernel = self.inputs, self.kernel
        event, rng = self.event, self.rng
        inputs.pp_ohm = OPEN_OHM if self._car == A else self._pp_ohm
        if event == CABLE:
            inputs.pp_ohm = OPEN_OHM - rng.below(60000)
        inputs.earth_ok = event != EARTH
        inputs.pen_lost = event == PEN
        inputs.stop_pressed = event == STOP
        self._plug_ddeg = self._warmer(self._plug_ddeg, event == PLUG_HOT)
        self._board_ddeg = self._warmer(self._board_ddeg, event == BOARD_HOT)
        inputs.plug_ddeg = 2000 + rng.below(28000) if event == PLUG_BROKEN else self._plug_ddeg
        inputs.board_ddeg = -10000 if event == BOARD_BROKEN else self._board_ddeg
        current_ma = 0
        if not inputs.contacts_closed:
            self._flow_ma = 0
            if event == PHANTOM:
                current_ma = 800 + rng.below(20000)
        else:
            if self._car >= C:
                current_ma = (
                    kernel.limit_ma * 3 // 2 + 5000
                    if event == TOO_MUCH
                    else kernel.limit_ma * self._draw_percent // 100
                )
            current_ma = max(current_ma, self._flow_ma)  # it goes down slowly
            self._flow_ma = max(0, current_ma - rng.below(3000))
        inputs.current_ma = current_ma

    def _warmer(self, now_ddeg: int, hot: bool) -> int:
        goal_ddeg = 800 if hot else 250
        if now_ddeg == goal_ddeg:
            return now_ddeg
        return now_ddeg + (10 if goal_ddeg > now_ddeg else -5)

    def _go_wild(self) -> None:
        """One input at any value of its range, or the clock at any instant."""
        inputs, rng = self.inputs, self.rng
        which = rng.below(40)
        if which == 0:
            inputs.cp_high_mv = rng.below(30001) - 15000
        elif which == 1:
            inputs.cp_low_mv = rng.below(30001) - 15000
        elif which == 2:
            inputs.pp_ohm = rng.below(OPEN_OHM + 1)
        elif which == 3:
            inputs.plug_ddeg = rng.below(1 << 16) - (1 << 15)
        elif which == 4:
            inputs.board_ddeg = rng.below(1 << 16) - (1 << 15)
        elif which < 8:
            inputs.current_ma = rng.below((1 << 20) + 1)
        elif which == 8 and not rng.below(10):
            self.now_ms = rng.any_small() & MASK
