"""A pilot that writes down each lease it takes, how much of the last one was left, and what passed on its line. MicroPython subset.

It writes to standard error, one line for each of these, all times in ms of the pilot's own clock but `system`:

    L at system age left   a LEASE was taken: the same instant on the system's clock, how long ago the STATE had been sent
                           that it answers, how much the lease before it had left
    X at                   the lease has ended: it ran out, or the station has withdrawn it
    P at phase             the kernel has gone over to this phase
    B at in out in1 out1   bytes of the last SLOT_MS, each way, and the greatest number in one tick

The system's clock is there because the simulated board's own may stand still (boards/sim/world_main.py); a board's cannot.
"""

import sys
import time

from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.firmware.pilot.program import Pilot

SLOT_MS = 100


class TallyPilot(Pilot):
    """The pilot program with a look at its lease before and after each tick."""

    def __init__(self, *arguments: "object") -> None:
        Pilot.__init__(self, *arguments)  # type: ignore[arg-type]
        self._taken: list[int] | None = None
        self._take_lease = self.link.take_lease
        self.link.take_lease = self._note_lease  # type: ignore[method-assign]
        self._at_ms = -1
        self._phase = -1
        self._slot_ms = -1
        self._sums = [0, 0, 0, 0]

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick, and what is to be said of it."""
        kernel = self.kernel
        before_ms = kernel.lease_left_ms()
        passed_ms = elapsed(now_ms, self._at_ms) if self._at_ms >= 0 else 0
        self._at_ms = now_ms
        out = Pilot.tick(self, now_ms, received)
        left_ms = max(0, before_ms - passed_ms)
        taken = self._taken
        self._taken = None
        if taken is not None:
            say("L", now_ms, system_ms(), elapsed(now_ms, taken[4]), left_ms)
        if before_ms and not (left_ms and kernel.lease_left_ms()):
            say("X", now_ms)
        if kernel.phase != self._phase:
            self._phase = kernel.phase
            say("P", now_ms, self._phase)
        self._count(now_ms, len(received), len(out))
        return out

    def _note_lease(self) -> "list[int] | None":
        self._taken = self._take_lease()
        return self._taken

    def _count(self, now_ms: int, received: int, sent: int) -> None:
        sums = self._sums
        sums[0] += received
        sums[1] += sent
        sums[2] = max(sums[2], received)
        sums[3] = max(sums[3], sent)
        if self._slot_ms < 0:
            self._slot_ms = now_ms
        if elapsed(now_ms, self._slot_ms) >= SLOT_MS:
            self._slot_ms = now_ms
            say("B", now_ms, sums[0], sums[1], sums[2], sums[3])
            for place in range(4):
                sums[place] = 0


def system_ms() -> int:
    """The system's monotonic clock."""
    if sys.implementation.name == "micropython":
        return time.ticks_ms()  # type: ignore[attr-defined, no-any-return]
    return time.monotonic_ns() // 1000000


def say(what: str, *numbers: int) -> None:
    """One line, at once."""
    sys.stderr.write(what + "".join([" " + str(number) for number in numbers]) + "\n")
