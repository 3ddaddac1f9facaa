"""The boot record: which slot runs, and what is known of the other one. Two copies, written in turn. MicroPython subset.

A copy is `<4s I B B B B I 32s 32s I`, little endian, 84 bytes: magic PWB1, counter, active slot, state, verdict, 0, floor, the
SHA-256 of the bundle in slot 0 and in slot 1, CRC-32 of all before it. The copy with the higher counter counts, and the next one
is written over the other: whenever the power is cut, a whole one is left, and it says either what was before or what is now.
"""

import binascii
import struct

from .flash import Flash

NAMES = ("boot0.rec", "boot1.rec")

# States of the other slot.
QUIET = 0  # nothing is asked of it
COMMITTED = 1  # holds a candidate that nobody has judged yet
TRIED = 2  # genuine, and its trial has begun; found at a start, the trial has ended badly
FAILED = 3  # its trial has failed for the reason in `verdict`; the next start reverts

# Verdicts on the last candidate.
GOOD = 0
SILENT = 1
CRASHED = 2
HUNG = 3
INTERRUPTED = 4
DAMAGED = 5
FORMAT = 6
OTHER_BOARD = 7
OLD = 8
FOREIGN = 9
FORGED = 10

VERDICTS = (
    "in order",
    "it was not answered by a station within the time of a trial",
    "it stopped with an exception in its trial",
    "it hung in its trial, and the watchdog reset the pilot",
    "the pilot lost power or was reset in its trial",
    "the file is damaged",
    "it is no bundle that this loader can read",
    "it is made for another board or another MicroPython",
    "its release is lower than one that has run here",
    "it is signed with a key that this pilot does not trust",
    "its signature is wrong",
)

_FORMAT = "<4sIBBBBI32s32s"
_SIZE = struct.calcsize(_FORMAT)
_MAGIC = b"PWB1"
NOTHING = b"\0" * 32


class Record:
    """One state of affairs. `sha[slot]` is NOTHING for a slot without an image that may run."""

    def __init__(self) -> None:
        self.counter = 0
        self.active = 0
        self.state = QUIET
        self.verdict = GOOD
        self.floor = 0  # lowest release that a candidate may have
        self.sha = [NOTHING, NOTHING]

    def pack(self) -> bytes:
        """The bytes of a copy."""
        body = struct.pack(
            _FORMAT,
            _MAGIC,
            self.counter,
            self.active,
            self.state,
            self.verdict,
            0,
            self.floor,
            self.sha[0],
            self.sha[1],
        )
        return body + struct.pack("<I", binascii.crc32(body) & 0xFFFFFFFF)


def unpack(data: bytes) -> "Record | None":
    """The record in a copy, or None when it is not whole."""
    if len(data) != _SIZE + 4 or data[:4] != _MAGIC:
        return None
    body = data[:_SIZE]
    if struct.unpack("<I", data[_SIZE:])[0] != binascii.crc32(body) & 0xFFFFFFFF:
        return None
    record = Record()
    _, record.counter, record.active, record.state, record.verdict, _, record.floor, sha0, sha1 = struct.unpack(
        _FORMAT, body
    )
    if record.active > 1 or record.state > FAILED or record.verdict >= len(VERDICTS):
        return None
    record.sha = [sha0, sha1]
    return record


def read(flash: Flash) -> "Record | None":
    """The newest whole copy, or None when there is none: a pilot that has never started."""
    newest = None
    for name in NAMES:
        record = unpack(flash.read(name))
        if record is not None and (newest is None or record.counter > newest.counter):
            newest = record
    return newest


def write(flash: Flash, record: Record) -> None:
    """Make record the newest copy; raises OSError. 2**32 writes are more than any flash memory takes."""
    # The copy that is not the newest is overwritten, whichever it is: also the damaged one that a power cut has left.
    whole = [unpack(flash.read(name)) for name in NAMES]
    counters = [-1 if each is None else each.counter for each in whole]
    record.counter = max(counters) + 1
    flash.write(NAMES[0 if counters[0] <= counters[1] else 1], record.pack())
