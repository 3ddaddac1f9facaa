"""The messages of the link: arrays of fixed length whose first items are kind and sequence number.

HELLO    [1, seq, version, boot, program]
         both ways; the station sends it until the pilot's has come
STATE    [2, seq, ack, boot, pilot_ms, pilot, phase, cp_high_mv, cp_low_mv, duty, limit_ma, close, contacts_closed,
          lease_left_ms, faults, cycles]
         pilot to station, every 100 ms
LEASE    [3, seq, ack, boot, pilot_ms, mode, limit_ma, ttl_ms, clear]
         station to pilot, one in answer to each STATE

`boot` is a number that the pilot draws at each start; a LEASE must repeat it, so that what was meant for an earlier life of
the pilot is ignored. `pilot_ms` in a LEASE repeats the one of the STATE it answers: the lease counts from that instant of the
pilot's own clock, and whatever was delayed on the way is older by exactly that much. `ack` is the last sequence number heard
from the other side. Sequence numbers are modulo 65536.
"""

VERSION = 1

HELLO = 1
STATE = 2
LEASE = 3

PERIOD_MS = 100

_INT_FIELDS = {STATE: 16, LEASE: 9}


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
