"""The socket's lock: it follows its drive within LOCK_MS, is tried again a few times, and then it has failed."""

from . import times

TRIES = 3


class Lock:
    """`drive` is the output (true = lock), `wanted` what it shall end in."""

    def __init__(self) -> None:
        self.drive = False
        self.wanted = False
        self.failed = False
        self.holds = False
        self._tries = 1
        self._ms = 0

    def want(self, wanted: bool) -> None:
        """Say what the lock shall do."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.drive = wanted
            self.failed = False
            self._tries = 1
            self._ms = 0

    def update(self, closed: bool, may_move: bool, passed_ms: int) -> None:
        """One sample of the feedback. While `may_move` is false (contacts closed) nothing is tried again: a try opens it first."""
        self.holds = closed and self.wanted
        if closed == self.wanted:
            self.drive = self.wanted
            self.failed = False
            self._tries = 1
            self._ms = 0
            return
        self._ms += passed_ms
        if self.drive != self.wanted:
            if self._ms >= times.LOCK_PAUSE_MS:
                self.drive = self.wanted
                self._ms = 0
        elif self._ms >= times.LOCK_MS:
            self._ms = 0
            if may_move and self._tries < TRIES:
                self._tries += 1
                self.drive = not self.wanted
            else:
                self.failed = True
