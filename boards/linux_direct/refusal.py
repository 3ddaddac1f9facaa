"""Why a pilot on Linux does not start: every reason has a name, an exit code and, when it is raised, one sentence.

Refusing is the safe answer: outputs are off, the pilot wire shows X1, and the process ends.
"""

from __future__ import annotations

import json

CONFIG = "config"
CONFIG_WRITABLE = "config-writable"
HARDWARE_IN_USE = "hardware-in-use"
REALTIME = "realtime"
LINES = "lines"
PWM = "pwm"
IIO_MISSING = "iio-missing"
IIO_SLOW = "iio-slow"
CUTOFF_UNDECLARED = "cutoff-undeclared"
CP_NOT_A = "cp-not-a"
CP_PULSE = "cp-pulse"
CONTACTS_CLOSED = "contacts-closed"
OUTLET_LIVE = "outlet-live"
COIL_WITHOUT_ALIVE = "coil-without-alive"
COIL_WITHOUT_COMMAND = "coil-without-command"
COIL_NEVER_PULLED = "coil-never-pulled"
COIL_NOT_RELEASED = "coil-not-released"
TICKS_LATE = "ticks-late"
WATCHDOG_UNDECLARED = "watchdog-undeclared"
WATCHDOG_MISSING = "watchdog-missing"
WATCHDOG_LONG = "watchdog-long"
WATCHDOG_STOPPABLE = "watchdog-stoppable"
WATCHDOG_UNPROVEN = "watchdog-unproven"
WATCHDOG_DEAD = "watchdog-dead"
WATCHDOG_STUCK = "watchdog-stuck"
HARDWARE_LOST = "hardware-lost"

EXIT_CODES = {
    CONFIG: 2,  # as argparse: the caller has it wrong
    CONFIG_WRITABLE: 10,
    HARDWARE_IN_USE: 11,
    REALTIME: 12,
    LINES: 13,
    PWM: 14,
    IIO_MISSING: 15,
    IIO_SLOW: 16,
    CUTOFF_UNDECLARED: 20,
    CP_NOT_A: 21,
    CP_PULSE: 22,
    CONTACTS_CLOSED: 23,
    OUTLET_LIVE: 24,
    COIL_WITHOUT_ALIVE: 25,
    COIL_WITHOUT_COMMAND: 26,
    COIL_NEVER_PULLED: 27,
    COIL_NOT_RELEASED: 28,
    TICKS_LATE: 29,
    WATCHDOG_UNDECLARED: 30,
    WATCHDOG_MISSING: 31,
    WATCHDOG_LONG: 32,
    WATCHDOG_STOPPABLE: 33,
    WATCHDOG_UNPROVEN: 34,
    WATCHDOG_DEAD: 35,
    WATCHDOG_STUCK: 36,
    HARDWARE_LOST: 40,  # not at the start: while it ran
}
"""Exit code of the process for each reason; the README lists them for the installer."""


class RefusedError(Exception):
    """This board must not charge as it is: `reason` is one of EXIT_CODES, `sentence` says what is wrong and what would be right."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence

    @property
    def exit_code(self) -> int:
        """The process ends with it."""
        return EXIT_CODES[self.reason]

    def as_json(self) -> str:
        """One line for a parent process."""
        fields = {"event": "refused", "reason": self.reason, "code": self.exit_code, "sentence": self.sentence}
        return json.dumps(fields)
