"""The kernel's phases and every way from one to another.

A row reads: in `phase`, when all conditions of `needs` hold and none of `bars` does, go to `then`. The first row that fits
wins; when none fits the phase stays. Nothing else changes the phase.

phase      pilot signal             contactor command
IDLE       X1 (constant +12 V)      open
OFFERING   PWM                      open
CLOSED     PWM                      closed
STOPPING   X1                       closed, until the car opens S2 or the time runs out
FAULTED    F for 300 ms, then X1    open
"""

IDLE = 0
OFFERING = 1
CLOSED = 2
STOPPING = 3
FAULTED = 4

PHASE_NAMES = ("Idle", "Offering", "Closed", "Stopping", "Faulted")

# Conditions, computed afresh in each tick.
FAULT = 1  # at least one fault is active
LEASE = 2  # a live lease of at least 6 A
CAR = 4  # the pilot shows B, C or D
WANTS = 8  # the pilot shows C: the car has closed S2 and asks for power
DIODE_OK = 16  # the negative half wave has been seen unloaded long enough
PROVEN_OPEN = 32  # the mirror contact reports open
STOP_TIMEOUT = 64  # X1 has been shown for STOP_MS
F_SHOWN = 128  # state F has been shown for F_HOLD_MS

# Columns: phase, needs, bars, then.
TABLE = (
    (IDLE, FAULT, 0, FAULTED),
    (IDLE, LEASE | CAR, 0, OFFERING),
    (OFFERING, FAULT, 0, FAULTED),
    (OFFERING, 0, CAR, IDLE),
    (OFFERING, 0, LEASE, IDLE),
    (OFFERING, WANTS | DIODE_OK | PROVEN_OPEN, 0, CLOSED),
    (CLOSED, FAULT, 0, FAULTED),
    (CLOSED, 0, CAR, IDLE),
    (CLOSED, LEASE, WANTS, OFFERING),
    (CLOSED, 0, LEASE | WANTS, IDLE),
    (CLOSED, 0, LEASE, STOPPING),
    (STOPPING, FAULT, 0, FAULTED),
    (STOPPING, 0, WANTS, IDLE),
    (STOPPING, STOP_TIMEOUT, 0, IDLE),
    (STOPPING, LEASE, 0, CLOSED),
    (FAULTED, F_SHOWN, FAULT, IDLE),
)


def next_phase(phase: int, conditions: int) -> int:
    """The phase that follows, by the first row that fits."""
    for row in TABLE:
        if row[0] == phase and row[1] & conditions == row[1] and not row[2] & conditions:
            return row[3]
    return phase
