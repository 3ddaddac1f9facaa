"""The messages of the link: arrays of fixed length whose first items are kind and sequence number.

HELLO    [1, seq, version, boot, program]
         both ways; the station sends it until the pilot's has come
STATE    [2, seq, ack, boot, pilot_ms, pilot, phase, cp_high_mv, cp_low_mv, duty, limit_ma, outputs, inputs,
          lease_left_ms, faults, conditions, cycles, cable_ma, bcb]
         pilot to station, every 100 ms; bits of outputs and inputs below; bcb is 4 times the number of BCB toggles plus the
         pulses of the last one
LEASE    [3, seq, ack, boot, pilot_ms, mode, limit_ma, ttl_ms, phases, requests]
         station to pilot, one in answer to each STATE; phases is 1, 3 or 0 (as it is), requests as in the kernel's lease.py
NARROW   [4, seq, ack, boot, index, value]
         station to pilot, with the first LEASEs after HELLO or a change: a parameter of the pilot that the station wants to be
         narrower than it is built in (kernel/params.py); saying it again does no harm

`boot` is a number that the pilot draws at each start; a LEASE must repeat it, so that what was meant for an earlier life of
the pilot is ignored. `pilot_ms` in a LEASE repeats the one of the STATE it answers: the lease counts from that instant of the
pilot's own clock, and whatever was delayed on the way is older by exactly that much. `ack` is the last sequence number heard
from the other side. Sequence numbers are modulo 65536.
"""

VERSION = 2

HELLO = 1
STATE = 2
LEASE = 3
NARROW = 4

PERIOD_MS = 100

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

_INT_FIELDS = {STATE: 19, LEASE: 10, NARROW: 6}


def is_valid(message: "list[object]") -> bool:
    """True when a decoded array has the length and types of a message of this version."""
    kind = message[0]
    if kind == HELLO:
        # Only the head of HELLO is fixed for all versions, or else nobody could say that versions differ.
        return len(message) >= 5 and _all_int(message[1:4]) and isinstance(message[4], str)
    # A list cannot be looked up in a dict: ask for the type first.
    return isinstance(kind, int) and kind in _INT_FIELDS and len(message) == _INT_FIELDS[kind] and _all_int(message[1:])


def _all_int(items: "list[object]") -> bool:
    # bool is an int for isinstance; both are numbers on this link. Whatever the kernel is given stays below 2**30 in magnitude.
    return all(isinstance(item, int) and -0x40000000 < item < 0x40000000 for item in items)
