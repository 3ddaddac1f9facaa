"""The messages of the link: arrays of fixed length whose first items are kind and sequence number.

HELLO    [1, seq, version, number, program, unique_id, firmware_hash, capabilities, reset_reason, parameter_crc, session]
         both ways; only the first five items are fixed for all versions. From the pilot, number is its boot number and session
         the station it listens to (0: none yet). From the station, number is its session and the rest is empty or 0
STATE    [2, seq, ack, boot, session, pilot_ms, pilot, phase, cp_high_mv, cp_low_mv, duty, limit_ma, outputs, inputs,
          lease_left_ms, faults, conditions, cycles, cable_ma, bcb, quiet_ms, rejected]
         pilot to station, every 100 ms; bits of outputs and inputs below; bcb is 4 times the number of BCB toggles plus the
         pulses of the last one; quiet_ms is how long the pilot has heard nothing from its station, rejected counts the frames
         it has thrown away, modulo 65536
LEASE    [3, seq, ack, boot, session, pilot_ms, mode, limit_ma, ttl_ms, phases, requests]
         station to pilot, one in answer to each STATE: everything the station wants; phases is 1, 3 or 0 (as it is), requests
         as in the kernel's lease.py
NARROW   [4, seq, ack, boot, session, index, value]
         station to pilot, with the first LEASEs after HELLO or a change: a parameter of the pilot that the station wants to be
         narrower than it is built in (kernel/params.py); saying it again does no harm
COMMAND  [5, seq, ack, boot, session, id, code, number, data]
         station to pilot: something to be done once. It is repeated with the same id until RESULT has come; the pilot does it
         once and repeats its RESULT. Ids count up from 1 modulo 65536; a COMMAND whose id is not newer than the last is no new one
RESULT   [6, seq, ack, boot, session, id, status, number, data]
         pilot to station

`boot` is a number that the pilot draws at each start, `session` one that the station draws at each start; a message must
repeat both, so that what was meant for an earlier life of the pilot, or said by another station, is ignored. `pilot_ms` in a
LEASE repeats the one of the STATE it answers: the lease counts from that instant of the pilot's own clock, and whatever was
delayed on the way is older by exactly that much. `ack` is the last sequence number heard from the other side. Sequence
numbers are modulo 65536; a STATE or LEASE that is not newer than the last one (by less than 32768) has been overtaken or said
twice, and is ignored.
"""

VERSION = 3

HELLO = 1
STATE = 2
LEASE = 3
NARROW = 4
COMMAND = 5
RESULT = 6

PERIOD_MS = 100
QUIET_MS = 300  # three periods without a frame: either side says so, and what was heard last is shown as stale
DATA_MAX = 192  # bytes in a COMMAND or RESULT, so that the frame stays below frame.MAX_FRAME

# Bits of `outputs`: what the pilot drives.
OUT_CLOSE = 1
OUT_PHASES = 2  # second contactor
OUT_SUPPLY = 4  # DC supply enable
OUT_CP_OFF = 8
OUT_LOCK = 16
OUT_VENT = 32
OUT_RCD_TEST = 64

# Bits of `inputs`: what it sees.
IN_CONTACTS = 1  # mirror contact says closed
IN_PHASES = 2  # mirror contact of the second contactor
IN_SIMPLIFIED = 4  # the car has no S2

# Bits of `capabilities`.
CAN_PHASES = 1  # second contactor
CAN_SUPPLY = 2  # DC supply enable
CAN_LOCK = 4
CAN_RCD_TEST = 8
CAN_UPDATE = 16
CAN_CALIBRATE = 32

# Reasons of the last reset.
RESET_UNKNOWN = 0
RESET_POWER = 1
RESET_WATCHDOG = 2
RESET_COMMAND = 3  # because the station asked
RESET_TRIAL = 4  # the first start of a new program
RESET_REVERTED = 5  # a new program has not said HELLO to a station, or was not genuine: the one before is back

RESET_NAMES = {
    RESET_UNKNOWN: "unknown",
    RESET_POWER: "power on",
    RESET_WATCHDOG: "watchdog",
    RESET_COMMAND: "asked for",
    RESET_TRIAL: "first start of a new program",
    RESET_REVERTED: "a new program was not taken over",
}

# Codes of COMMAND.
PING = 1  # RESULT repeats number and data
RAW_READ = 10  # number is a channel of firmware/pilot/calibration.py; RESULT has the mean of the ADC
CALIBRATION_READ = 11  # RESULT has the stored block
CALIBRATION_WRITE = 12  # data is a sealed block
UPDATE_BEGIN = 20  # number is the length of the bundle, data its SHA-256
UPDATE_DATA = 21  # number is the offset of data
UPDATE_COMMIT = 22  # everything has been sent: check it, make it the next program, start it
UPDATE_ABORT = 23

# Statuses of RESULT.
OK = 0
UNKNOWN = 1  # no such code in this pilot
REFUSED = 2  # data says why, in words
BUSY = 3  # not done yet: say it again, with the same id
BAD = 4  # number or data is not what the code asks for; data says what

_INT_FIELDS = {STATE: 22, LEASE: 11, NARROW: 7, COMMAND: 9, RESULT: 9}
_HALF = 0x8000


def is_valid(message: "list[object]") -> bool:
    """True when a decoded array has the length and types of a message of this version."""
    kind = message[0]
    if kind == HELLO:
        # Only the head of HELLO is fixed for all versions, or else nobody could say that versions differ.
        if not (len(message) >= 5 and _all_int(message[1:4]) and isinstance(message[4], str)):
            return False
        return message[2] != VERSION or _is_hello(message)
    # A list cannot be looked up in a dict: ask for the type first.
    if not isinstance(kind, int) or kind not in _INT_FIELDS or len(message) != _INT_FIELDS[kind]:
        return False
    if kind in (COMMAND, RESULT):
        data = message[8]
        return _all_int(message[1:8]) and isinstance(data, bytes) and len(data) <= DATA_MAX
    return _all_int(message[1:])


def newer(seq: int, last: int) -> bool:
    """True when sequence number seq comes after last."""
    return 0 < (seq - last & 0xFFFF) < _HALF


def _is_hello(message: "list[object]") -> bool:
    return (
        len(message) == 11
        and isinstance(message[5], bytes)
        and isinstance(message[6], bytes)
        and isinstance(message[9], bytes)
        and _all_int([message[7], message[8], message[10]])
    )


def _all_int(items: "list[object]") -> bool:
    # bool is an int for isinstance; both are numbers on this link. Whatever the kernel is given stays below 2**30 in magnitude.
    return all(isinstance(item, int) and -0x40000000 < item < 0x40000000 for item in items)
