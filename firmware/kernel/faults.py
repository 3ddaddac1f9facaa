"""The faults of the kernel: number, name, and what clears each.

A fault opens the contactor in the tick in which it is found. It stays until its own clearing rule holds:

CLEAR_VALID    the pilot shows a proper state (A, B, C or D) for RECOVER_MS
CLEAR_UNPLUG   the car is unplugged
CLEAR_COMMAND  contacts are proven open for RECOVER_MS and the car is unplugged or the station says "clear"
CLEAR_TIME     contacts are proven open for RECOVER_MS
"""

CLEAR_VALID = 1
CLEAR_UNPLUG = 2
CLEAR_COMMAND = 3
CLEAR_TIME = 4

RECOVER_MS = 1000

PILOT_SHORT = 1  # bit 0: state E, the pilot wire is shorted to earth or the car is dead
PILOT_INVALID = 2  # bit 1: no defined level for 200 ms
DIODE = 4  # bit 2: the negative half wave is loaded: no diode, not a car
NOT_CLOSED = 8  # bit 3: told to close, contacts report open
WELDED = 16  # bit 4: told to open, contacts report closed
OVERRUN = 32  # bit 5: the pilot program itself lost time

# (bit, name, clearing rule); the index is the fault number.
FAULTS = (
    (PILOT_SHORT, "PilotShort", CLEAR_VALID),
    (PILOT_INVALID, "PilotInvalid", CLEAR_VALID),
    (DIODE, "DiodeMissing", CLEAR_UNPLUG),
    (NOT_CLOSED, "ContactorNotClosed", CLEAR_COMMAND),
    (WELDED, "ContactorWelded", CLEAR_COMMAND),
    (OVERRUN, "PilotOverrun", CLEAR_TIME),
)


def names(bits: int) -> "list[str]":
    """Names of the faults in a bit mask, lowest number first."""
    return [name for bit, name, _ in FAULTS if bits & bit]
