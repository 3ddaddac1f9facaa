"""The kernel's phases and every way from one to another.

A row reads: in `phase`, when all conditions of `needs` hold and none of `bars` does, go to `then`. The first row that fits
wins; when none fits the phase stays. Nothing else changes the phase.

phase      pilot signal         contactor   what it is
IDLE       X1 (constant +12 V)  open        no car, no permission, or something still missing
TESTING    X1                   open        self-test of the residual current device
OFFERING   PWM                  open        the car may ask for power
CLOSED     PWM                  closed      charging
STOPPING   X1                   closed      until the car opens S2 or the time runs out
DRAINING   PWM                  closed      DC: the supply is off; until the current is relay-safe or the time runs out
TELLING    PWM                  open        after a prompt stop: the car can still be told why
SHOWING_F  F (constant -12 V)   open        after an emergency stop
FAULTED    X1                   open        until the fault is cleared
STEP_EF    F                    open        asked for by the station (ISO 15118-3 T_step_EF)
STEP_X1    X1                   open        asked for by the station (T_step_X1)
WAKING     off                  open        wake-up of a sleeping car
SWITCHING  off                  open        change between one and three phases
SETTLING   X1                   open        between F or off and PWM
"""

IDLE = 0
TESTING = 1
OFFERING = 2
CLOSED = 3
STOPPING = 4
DRAINING = 5
TELLING = 6
SHOWING_F = 7
FAULTED = 8
STEP_EF = 9
STEP_X1 = 10
WAKING = 11
SWITCHING = 12
SETTLING = 13

PHASE_NAMES = (
    "Idle",
    "Testing",
    "Offering",
    "Closed",
    "Stopping",
    "Draining",
    "Telling",
    "ShowingF",
    "Faulted",
    "StepEF",
    "StepX1",
    "Waking",
    "Switching",
    "Settling",
)

# Conditions, computed afresh in each tick; the station is told them all, so that it can say why there is no power.
FAULT = 1 << 0  # at least one fault of any class
GRACEFUL = 1 << 1  # ... of class graceful
PROMPT = 1 << 2
EMERGENCY = 1 << 3
PERMIT = 1 << 4  # a live lease: PWM may be shown
POWER = 1 << 5  # the lease also permits power, in the mode that PWM shows and in which the contactor has closed
CAR = 1 << 6  # the pilot shows B, C, or D where there is ventilation
WANTS = 1 << 7  # it shows C, or such a D: the car asks for power
DIODE_OK = 1 << 8  # the negative half wave has been seen unloaded long enough
PROVEN_OPEN = 1 << 9  # all mirror contacts report open
RESTED = 1 << 10  # the contactor has been open for its minimum time
SPACED = 1 << 11  # the last change of the duty is long enough ago
CABLE_OK = 1 << 12  # the cable's current is known, or the cable is fixed
LOCKED = 1 << 13  # the socket's lock holds the plug, or there is none
TESTED = (
    1 << 14
)  # the self-test of the residual current device is good for this session and not too old, or there is none
TIME_UP = 1 << 15  # the present phase has lasted as long as it may
RELAY_SAFE = 1 << 16  # measured current is low enough for contacts to open
DIRECT = 1 << 17  # the contactor has closed for DC or BPT
SWITCH = 1 << 18  # the lease asks for another number of phases, and that is allowed
ZERO = 1 << 19  # contacts have been open, without current where it is measured, long enough to call it proven
ASK_EF = 1 << 20  # the station asks for T_step_EF in this very tick
ASK_X1 = 1 << 21  # ... for T_step_X1
WAKE = 1 << 22  # this car may still be woken up
NOMINAL = 1 << 23  # the lease is for nominal duty: a car that sees PWM expects power within 3 s of asking for it

CONDITION_NAMES = (
    "Fault",
    "Graceful",
    "Prompt",
    "Emergency",
    "Permit",
    "Power",
    "Car",
    "Wants",
    "DiodeOk",
    "ProvenOpen",
    "Rested",
    "Spaced",
    "CableOk",
    "Locked",
    "Tested",
    "TimeUp",
    "RelaySafe",
    "Direct",
    "Switch",
    "Zero",
    "AskEF",
    "AskX1",
    "Wake",
    "Nominal",
)

# Columns: phase, needs, bars, then.
TABLE = (
    (IDLE, EMERGENCY, 0, SHOWING_F),
    (IDLE, FAULT, 0, FAULTED),
    (IDLE, PROVEN_OPEN, TESTED, TESTING),
    (IDLE, CAR | PROVEN_OPEN | ASK_EF, 0, STEP_EF),
    (IDLE, CAR | ASK_X1, 0, STEP_X1),
    (IDLE, CAR | SWITCH | ZERO, 0, SWITCHING),
    (IDLE, CAR | PERMIT | RESTED | SPACED | CABLE_OK | LOCKED | TESTED, SWITCH, OFFERING),
    (TESTING, EMERGENCY, 0, SHOWING_F),
    (TESTING, FAULT, 0, FAULTED),
    (TESTING, TESTED, 0, IDLE),
    (OFFERING, EMERGENCY, 0, SHOWING_F),
    (OFFERING, PROMPT, 0, TELLING),
    (OFFERING, GRACEFUL, 0, FAULTED),
    (OFFERING, 0, CAR, IDLE),
    (OFFERING, 0, PERMIT, IDLE),
    (OFFERING, 0, LOCKED, IDLE),
    (OFFERING, 0, TESTED, IDLE),
    (OFFERING, SWITCH, 0, IDLE),
    (OFFERING, PROVEN_OPEN | ASK_EF, 0, STEP_EF),
    (OFFERING, ASK_X1, 0, STEP_X1),
    (OFFERING, WANTS | NOMINAL, RESTED, IDLE),
    (OFFERING, WANTS | POWER | DIODE_OK | PROVEN_OPEN | RESTED, 0, CLOSED),
    (OFFERING, WAKE | TIME_UP, WANTS, WAKING),
    (CLOSED, EMERGENCY, 0, SHOWING_F),
    (CLOSED, PROMPT, 0, TELLING),
    (CLOSED, PERMIT | CAR, WANTS, OFFERING),
    (CLOSED, 0, WANTS, IDLE),
    (CLOSED, DIRECT, POWER, DRAINING),
    (CLOSED, DIRECT | GRACEFUL, 0, DRAINING),
    (CLOSED, DIRECT, TESTED, DRAINING),
    (CLOSED, 0, POWER, STOPPING),
    (CLOSED, GRACEFUL, 0, STOPPING),
    (CLOSED, 0, TESTED, STOPPING),
    (CLOSED, SWITCH, 0, STOPPING),
    (STOPPING, EMERGENCY, 0, SHOWING_F),
    (STOPPING, PROMPT, 0, FAULTED),
    (STOPPING, 0, WANTS, IDLE),
    (STOPPING, TIME_UP, 0, IDLE),
    (STOPPING, POWER | SPACED | TESTED, GRACEFUL | SWITCH, CLOSED),
    (DRAINING, EMERGENCY, 0, SHOWING_F),
    (DRAINING, PROMPT, 0, TELLING),
    (DRAINING, PERMIT | CAR, WANTS, OFFERING),
    (DRAINING, 0, WANTS, IDLE),
    (DRAINING, PERMIT | RELAY_SAFE, 0, OFFERING),
    (DRAINING, RELAY_SAFE, 0, IDLE),
    (DRAINING, PERMIT | TIME_UP, 0, OFFERING),
    (DRAINING, TIME_UP, 0, IDLE),
    (TELLING, EMERGENCY, 0, SHOWING_F),
    (TELLING, 0, CAR, FAULTED),
    (TELLING, 0, PERMIT, FAULTED),
    (TELLING, TIME_UP, 0, FAULTED),
    (SHOWING_F, TIME_UP, 0, FAULTED),
    (FAULTED, 0, FAULT, IDLE),
    (STEP_EF, EMERGENCY, 0, SHOWING_F),
    (STEP_EF, FAULT, 0, FAULTED),
    (STEP_EF, TIME_UP, 0, SETTLING),
    (STEP_X1, EMERGENCY, 0, SHOWING_F),
    (STEP_X1, FAULT, 0, FAULTED),
    (STEP_X1, TIME_UP, 0, IDLE),
    (WAKING, EMERGENCY, 0, SHOWING_F),
    (WAKING, FAULT, 0, FAULTED),
    (WAKING, TIME_UP, 0, SETTLING),
    (SWITCHING, EMERGENCY, 0, SHOWING_F),
    (SWITCHING, FAULT, 0, FAULTED),
    (SWITCHING, TIME_UP, 0, SETTLING),
    (SETTLING, EMERGENCY, 0, SHOWING_F),
    (SETTLING, FAULT, 0, FAULTED),
    (SETTLING, TIME_UP, 0, IDLE),
)


def next_phase(phase: int, conditions: int) -> int:
    """The phase that follows, by the first row that fits."""
    for row in TABLE:
        if row[0] == phase and row[1] & conditions == row[1] and not row[2] & conditions:
            return row[3]
    return phase
