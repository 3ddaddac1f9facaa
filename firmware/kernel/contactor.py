"""What a mirror contact says of its contactor: it follows each command in time, and never moves without one."""

from . import faults, times


class Feedback:
    """One contactor and its mirror contact."""

    def __init__(self) -> None:
        self._command = False
        self._confirmed = False  # the contact has followed the present command
        self._mismatch_ms = 0

    def update(self, command: bool, closed: bool, passed_ms: int) -> int:
        """One sample; returns the fault that it proves, or 0."""
        if command != self._command:
            self._command = command
            self._confirmed = False
            self._mismatch_ms = 0
        if closed == command:
            self._confirmed = True
            self._mismatch_ms = 0
            return 0
        self._mismatch_ms += passed_ms
        if self._mismatch_ms < (times.LOST_MS if self._confirmed else times.FEEDBACK_MS):
            return 0
        self._mismatch_ms = times.FEEDBACK_MS
        if command:
            return faults.NOT_CLOSED
        return faults.MIRROR if self._confirmed else faults.WELDED
