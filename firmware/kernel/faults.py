"""The faults of the kernel: number, name, MREC code, class, and how each clears.

Class (what happens at once):
  GRACEFUL   X1; the car opens S2, or the contactor opens under load 6.0..6.5 s later
  PROMPT     the contactor opens now; PWM stays for a while, so that the car can be told
  EMERGENCY  the contactor opens now, the pilot shows F for F_HOLD_MS and then X1; after another fault that has opened the
             circuit already, X1 stays

Clearing (never before the cause has been away and the contacts have been open for RECOVER_MS):
  BY_CAUSE   by that alone
  BY_UNPLUG  when the car is unplugged, and only then
  BY_REPLUG  when the car is unplugged, or by command
  BY_RECLOSE as BY_REPLUG, and by itself where the parameters allow some tries
  BY_COMMAND by command only
  BY_RESTART never while the program runs

MREC numbers are the minimum required error codes of the ChargeX Consortium as they appear in public sources; 0 where there is none.
"""

GRACEFUL = 1
PROMPT = 2
EMERGENCY = 3

BY_CAUSE = 1
BY_UNPLUG = 2
BY_REPLUG = 3
BY_RECLOSE = 4
BY_COMMAND = 5
BY_RESTART = 6

PILOT_SHORT = 1 << 0  # state E or F that is not ours: the pilot wire is shorted, or the car is dead
PILOT_INVALID = 1 << 1  # no defined level
DIODE = 1 << 2  # the negative half wave is loaded: no diode, not a car
NOT_CLOSED = 1 << 3  # told to close, contacts report open
WELDED = 1 << 4  # told to open, contacts report closed
MIRROR = 1 << 5  # a mirror contact moved without a command, or current flows although it reports open
OVERRUN = 1 << 6  # the pilot program itself lost time
PARAMETERS = 1 << 7  # the parameters do not fit their CRC
CABLE = 1 << 8  # the proximity resistor is unreadable, or has been lost
LOCK = 1 << 9  # the socket's lock does not follow
RESIDUAL_DC = 1 << 10  # the residual current device has tripped on direct current
RESIDUAL_AC = 1 << 11  # ... on alternating current
RESIDUAL_TEST = 1 << 12  # it has failed its self-test
EARTH = 1 << 13  # the earth monitor reports no earth
PEN = 1 << 14  # the PEN-fault detector has tripped
STOP_BUTTON = 1 << 15  # emergency stop
PLUG_HOT = 1 << 16
BOARD_HOT = 1 << 17
SENSOR = 1 << 18  # a temperature sensor is broken
OVER_CURRENT = 1 << 19  # the car draws more than it is told
STATION_STOP = 1 << 20  # the station asked for a prompt stop, for example because its meter sees over-current

# bit, name, MREC number, class, clearing; the index is the fault number.
FAULTS = (
    (PILOT_SHORT, "PilotShort", 14, PROMPT, BY_CAUSE),
    (PILOT_INVALID, "PilotInvalid", 14, PROMPT, BY_CAUSE),
    (DIODE, "DiodeMissing", 14, EMERGENCY, BY_UNPLUG),
    (NOT_CLOSED, "ContactorNotClosed", 17, EMERGENCY, BY_REPLUG),
    (WELDED, "ContactorWelded", 17, EMERGENCY, BY_REPLUG),
    (MIRROR, "MirrorContact", 17, EMERGENCY, BY_REPLUG),
    (OVERRUN, "PilotOverrun", 0, PROMPT, BY_CAUSE),
    (PARAMETERS, "ParametersDamaged", 0, EMERGENCY, BY_RESTART),
    (CABLE, "CableUnreadable", 23, PROMPT, BY_CAUSE),
    (LOCK, "LockFailure", 1, GRACEFUL, BY_REPLUG),
    (RESIDUAL_DC, "ResidualCurrentDc", 2, EMERGENCY, BY_RECLOSE),
    (RESIDUAL_AC, "ResidualCurrentAc", 2, EMERGENCY, BY_RECLOSE),
    (RESIDUAL_TEST, "ResidualSelfTest", 2, EMERGENCY, BY_COMMAND),
    (EARTH, "EarthLost", 2, EMERGENCY, BY_COMMAND),
    (PEN, "PenLost", 2, EMERGENCY, BY_COMMAND),
    (STOP_BUTTON, "EmergencyStop", 8, EMERGENCY, BY_COMMAND),
    (PLUG_HOT, "PlugTooHot", 19, GRACEFUL, BY_CAUSE),
    (BOARD_HOT, "BoardTooHot", 3, GRACEFUL, BY_CAUSE),
    (SENSOR, "TemperatureSensor", 0, GRACEFUL, BY_CAUSE),
    (OVER_CURRENT, "OverCurrent", 4, PROMPT, BY_REPLUG),
    (STATION_STOP, "StationStop", 0, PROMPT, BY_REPLUG),
)


def names(bits: int) -> "list[str]":
    """Names of the faults in a bit mask, lowest number first."""
    return [row[1] for row in FAULTS if bits & row[0]]


def _mask(kind: int) -> int:
    bits = 0
    for row in FAULTS:
        if row[3] == kind:
            bits |= row[0]
    return bits


ALL_GRACEFUL = _mask(GRACEFUL)
ALL_PROMPT = _mask(PROMPT)
ALL_EMERGENCY = _mask(EMERGENCY)
