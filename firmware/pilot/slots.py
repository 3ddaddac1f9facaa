"""Two slots with a bundle each, and the decision which one runs. MicroPython subset.

    other slot    at a start                                          afterwards
    QUIET         run the active one                                  QUIET
    COMMITTED     not genuine: run the active one                     QUIET, verdict
                  genuine: note TRIED, then run it                    answered by a station: it is the active one, QUIET
                                                                      silent or crashed: FAILED and reset
    TRIED         hung, reset or without power: run the active one    QUIET, verdict
    FAILED        run the active one                                  QUIET, verdict

A signature is verified once, before the first line of a program runs; the record then holds the SHA-256 of the whole bundle, and
every later start compares that: 60 kB are tens of milliseconds for hashlib in C, seconds for a signature, and a worn-out flash is
found all the same. It is no defence against somebody who writes the flash memory with a probe: he would replace the loader.

When the active bundle is damaged the other one runs, if it is the one that ran before. Release numbers never go back through an
update, but this way they may. Without any record (a new board, or somebody has deleted both copies) a genuine bundle is looked for.
"""

from . import bootrecord, image
from .bootrecord import Record
from .flash import Flash

NAMES = ("slot0.img", "slot1.img")
MAX_BYTES = 512 * 1024

# As protocols/link/messages.py has them, which belongs to a program and not to the loader.
RESET_WATCHDOG = 2
RESET_TRIAL = 4
RESET_REVERTED = 5


class NoImageError(Exception):
    """There is no bundle that may run: the pilot stays silent, with all outputs off, until somebody puts one there by wire."""


class Slots:
    """The two slots of one pilot. `board` is what a bundle must be made for, `keys` are the public keys trusted, 32 bytes each."""

    def __init__(self, flash: Flash, board: str, keys: "list[bytes]") -> None:
        self._flash = flash
        self._board = board
        self._keys = keys
        self._record = Record()
        self.running = 0
        self.trial = False
        self.reset_reason = 0

    @property
    def verdict(self) -> int:
        """Of bootrecord.py, on the last candidate."""
        return self._record.verdict

    @property
    def verdict_text(self) -> str:
        """The same in words."""
        return bootrecord.VERDICTS[self._record.verdict]

    @property
    def sha256(self) -> bytes:
        """Of the bundle that runs."""
        return self._record.sha[self.running]

    # At a start.

    def choose(self, cause: int) -> str:
        """Decide what runs; returns the name of its file. `cause` is the hardware's reason for this start; raises NoImageError."""
        self.reset_reason = cause
        record = bootrecord.read(self._flash)
        if record is None:
            record = self._found(0)
        self._record = record
        other = 1 - record.active
        if record.state == bootrecord.COMMITTED:
            verdict = self._judge(other, record.sha[other], record.floor)
            if verdict == bootrecord.GOOD:
                record.state = bootrecord.TRIED
                self._save()
                return self._start(other, True, RESET_TRIAL)
            self._revert(verdict)
        elif record.state == bootrecord.TRIED:
            self._revert(bootrecord.HUNG if cause == RESET_WATCHDOG else bootrecord.INTERRUPTED)
        elif record.state == bootrecord.FAILED:
            self._revert(record.verdict)
        if not self._intact(record.active):
            if not self._intact(1 - record.active):
                self._record = record = self._found(record.floor)
            else:
                record.sha[record.active] = bootrecord.NOTHING
                record.active = 1 - record.active
            record.verdict = bootrecord.DAMAGED
            self._save()
            self.reset_reason = RESET_REVERTED
        return self._start(record.active, False, self.reset_reason)

    def confirm(self) -> None:
        """The trial has succeeded: what runs is the active one from now on."""
        record = self._record
        record.active = self.running
        record.state = bootrecord.QUIET
        record.verdict = bootrecord.GOOD
        record.floor = max(record.floor, image.read_head(self._flash, NAMES[self.running]).release)
        self._save()
        self.trial = False

    def fail(self, verdict: int) -> None:
        """The trial has failed; what runs must be left by a reset now."""
        self._record.state = bootrecord.FAILED
        self._record.verdict = verdict
        self._save()

    # For a new bundle, by firmware/pilot/update.py.

    def room(self) -> int:
        """The largest bundle that fits, in bytes; what is in the other slot makes place for it."""
        return min(MAX_BYTES, self._flash.free() + self._flash.size(self._spare()))

    def why_not_now(self) -> str:
        """Why no bundle may be written now, in words, or nothing."""
        if self.trial:
            return "the program that runs is on trial itself"
        if self._record.state != bootrecord.QUIET:
            return "a new program waits for its first start"
        return ""

    def open_spare(self) -> "object":
        """The other slot, empty and open for writing; raises OSError. What was in it can no longer be returned to."""
        return self._flash.open(self._spare(), "wb")

    def commit(self, sha256: bytes) -> str:
        """Make the closed bundle in the other slot the candidate of the next start; returns why not, in words, or nothing.

        Looks only at what an honest mistake gets wrong. The loader judges the rest, before a line of it runs.
        """
        other = 1 - self._record.active
        try:
            found = image.read_head(self._flash, NAMES[other])
        except image.ImageError as error:
            return str(error)
        verdict = image.fits(found, self._flash.size(NAMES[other]), self._board, self._record.floor)
        if verdict != bootrecord.GOOD:
            return bootrecord.VERDICTS[verdict]
        self._record.sha[other] = sha256
        self._record.state = bootrecord.COMMITTED
        self._record.verdict = bootrecord.GOOD
        try:
            self._save()
        except OSError:
            self._record.sha[other] = bootrecord.NOTHING
            self._record.state = bootrecord.QUIET
            raise
        return ""

    def _spare(self) -> str:
        return NAMES[1 - self._record.active]

    def _start(self, slot: int, trial: bool, reason: int) -> str:
        self.running = slot
        self.trial = trial
        self.reset_reason = reason
        return NAMES[slot]

    def _revert(self, verdict: int) -> None:
        record = self._record
        record.state = bootrecord.QUIET
        record.verdict = verdict
        record.sha[1 - record.active] = bootrecord.NOTHING
        self._save()
        self.reset_reason = RESET_REVERTED

    def _judge(self, slot: int, sha256: bytes, floor: int) -> int:
        if image.digest(self._flash, NAMES[slot]) != sha256:
            return bootrecord.DAMAGED
        return image.judge(self._flash, NAMES[slot], self._board, floor, self._keys)

    def _intact(self, slot: int) -> bool:
        known = self._record.sha[slot]
        return known != bootrecord.NOTHING and image.digest(self._flash, NAMES[slot]) == known

    def _found(self, floor: int) -> Record:
        """A new record for the genuine bundle with the highest release, not below floor; raises NoImageError."""
        record = Record()
        record.floor = floor
        reasons = []
        best = -1
        for slot in (0, 1):
            verdict = image.judge(self._flash, NAMES[slot], self._board, floor, self._keys)
            if verdict != bootrecord.GOOD:
                reasons.append(NAMES[slot] + ": " + bootrecord.VERDICTS[verdict])
                continue
            record.sha[slot] = image.digest(self._flash, NAMES[slot])
            release = image.read_head(self._flash, NAMES[slot]).release
            if release > best:
                best = release
                record.active = slot
        record.floor = max(floor, best)
        if best < 0:
            raise NoImageError("; ".join(reasons))
        bootrecord.write(self._flash, record)
        return record

    def _save(self) -> None:
        bootrecord.write(self._flash, self._record)
