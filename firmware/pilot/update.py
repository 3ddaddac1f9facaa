"""Takes a new program over the link (UPDATE_BEGIN, _DATA, _COMMIT, _ABORT). Part of a program. MicroPython subset.

Only while nobody can be charging: idle() must hold when the update begins, for each block and for the commit. It checks length and
hash; whether the program is genuine is judged by the loader at the next start, before a line of it runs.

Blocks are gathered to PAGE bytes before they are written: flash memory is erased in pages of that size, and while it is, the
microcontroller stands still, for some 50 ms. The kernel takes such a gap for lost time and forgets what it has seen, so that idle()
does not hold for a moment after each page, nor after a start. What comes then is answered BUSY, a few times, before it is refused.
Nor is a file closed while somebody may be charging, since that writes: an update given up then keeps it open until the next one.
"""

import hashlib

from pilotwire.firmware.kernel import bands, table
from pilotwire.firmware.kernel.kernel import Kernel
from pilotwire.protocols.link import messages

PAGE = 4096
PATIENCE = 10  # asked again by the station every 200 ms: 2 s
MIN_BYTES = 128
_NOT_IDLE = b"a car is connected, or the contactor is not proven open"
_NONE_BEGUN = b"no update has begun, or the pilot has restarted since"


def nobody_charges(kernel: Kernel) -> bool:
    """True in state A with the contactor proven open: no car, no power. The last reading alone is enough against it: a state needs
    evidence over time, and a car may have come just now.
    """
    if kernel.pilot_state != bands.A or bands.band(kernel.cp_high_mv, bands.A) != bands.A:
        return False
    return kernel.conditions & table.PROVEN_OPEN != 0 and not kernel.close


class UpdateService:
    """One service of firmware/pilot/program.py.

    `slots` is the loader's. idle() says whether the flash memory may be written; restart() resets after this tick's bytes.
    """

    def __init__(self, slots: "object", idle: "object", restart: "object") -> None:
        self._slots = slots
        self._idle = idle
        self._restart = restart
        self._file: "object | None" = None
        self._under_way = False
        self._length = 0
        self._sha256 = b""
        self._received = 0
        self._last = b""
        self._hash = hashlib.sha256()
        self._page = bytearray()
        self._waited = 0

    def handle(self, code: int, number: int, data: bytes) -> "tuple[int, int, bytes] | None":
        """Do one COMMAND: (status, number, data) of its RESULT, or None when it is not for this service.

        The number is how many bytes have been received. UPDATE_ABORT forgets what has been sent, and answers with the verdict on
        the last program as number and in words.
        """
        if code == messages.UPDATE_BEGIN:
            return self._when_idle() or self._begin(number, data)
        if code == messages.UPDATE_DATA:
            return self._when_idle() or self._take(number, data)
        if code == messages.UPDATE_COMMIT:
            return self._when_idle() or self._commit()
        if code == messages.UPDATE_ABORT:
            self._forget()
            slots = self._slots
            return messages.OK, slots.verdict, slots.verdict_text.encode()  # type: ignore[attr-defined]
        return None

    def _when_idle(self) -> "tuple[int, int, bytes] | None":
        if self._idle():  # type: ignore[operator]
            self._waited = 0
            return None
        if self._waited < PATIENCE:
            self._waited += 1
            return messages.BUSY, self._received, b""
        self._waited = 0
        return messages.REFUSED, self._received, _NOT_IDLE

    def _begin(self, length: int, sha256: bytes) -> "tuple[int, int, bytes]":
        slots = self._slots
        if len(sha256) != 32:
            return messages.BAD, 0, b"data is not a SHA-256"
        reason = slots.why_not_now()  # type: ignore[attr-defined]
        if reason:
            return messages.REFUSED, 0, reason.encode()
        self._forget()
        room = slots.room()  # type: ignore[attr-defined]
        if not MIN_BYTES <= length <= room:
            text = "the bundle must have " + str(MIN_BYTES) + " to " + str(room) + " bytes"
            return messages.BAD, room, text.encode()
        try:
            self._file = slots.open_spare()  # type: ignore[attr-defined]
        except OSError as error:
            return messages.REFUSED, 0, b"the flash memory cannot be written: " + str(error).encode()
        self._under_way = True
        self._length = length
        self._sha256 = sha256
        return messages.OK, 0, b""

    def _take(self, offset: int, data: bytes) -> "tuple[int, int, bytes]":
        if not self._under_way:
            return messages.REFUSED, 0, _NONE_BEGUN
        end = offset + len(data)
        if self._last and end == self._received and data == self._last:
            return messages.OK, end, b""  # said again, because our answer was lost
        if offset != self._received or not data or end > self._length:
            return messages.BAD, self._received, b"blocks come in order and end with the bundle"
        self._hash.update(data)
        self._page.extend(data)
        self._received = end
        self._last = data
        if len(self._page) >= PAGE or end == self._length:
            return self._write() or (messages.OK, end, b"")
        return messages.OK, end, b""

    def _write(self) -> "tuple[int, int, bytes] | None":
        try:
            self._file.write(self._page)  # type: ignore[union-attr]
        except OSError as error:
            self._forget()
            return messages.REFUSED, 0, b"the flash memory cannot be written: " + str(error).encode()
        self._page = bytearray()
        return None

    def _commit(self) -> "tuple[int, int, bytes]":
        if not self._under_way:
            return messages.REFUSED, 0, _NONE_BEGUN
        if self._received != self._length:
            return messages.BAD, self._received, b"the bundle is not complete"
        good = self._hash.digest() == self._sha256
        self._forget()
        if not good:
            return messages.BAD, 0, b"the SHA-256 of what was received is not the one announced"
        try:
            reason = self._slots.commit(self._sha256)  # type: ignore[attr-defined]
        except OSError as error:
            reason = "the flash memory cannot be written: " + str(error)
        if reason:
            return messages.BAD, 0, reason.encode()
        self._restart()  # type: ignore[operator]
        return messages.OK, self._length, b""

    def _forget(self) -> None:
        """No update is under way any more. What is in the other slot is no candidate, however much of it there is."""
        if self._file is not None and self._idle():  # type: ignore[operator]
            try:
                self._file.close()  # type: ignore[attr-defined]
            except OSError:
                pass  # COMMIT finds out: the bundle is shorter than it says
            self._file = None
        self._under_way = False
        self._received = 0
        self._last = b""
        self._hash = hashlib.sha256()
        self._page = bytearray()
        self._waited = 0
