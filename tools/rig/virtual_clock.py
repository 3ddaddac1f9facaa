"""An asyncio loop whose clock jumps: when nothing is ready, time goes to the next timer at once.

Sockets stay real. While somebody outside owes an answer (`busy()` is true) nothing is jumped over: time then passes as fast
as it really does. Only `loop.time()` is virtual, so code under it must take its time from there, as the station does.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from typing import Any

WAIT_S = 0.02  # longest real wait in one go while busy, so that `busy` is asked again


START_S = 1000.0


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """Use with asyncio.Runner(loop_factory=VirtualClockLoop). `busy` may be set at any time."""

    def __init__(self) -> None:
        self.busy: Callable[[], bool] = lambda: False
        self.frozen = False
        """No time passes while the loop is busy, so that a run is the same each time. Then `busy` must be sure of its reply."""
        self.jumped_s = 0.0
        self._now_s = START_S
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def restart(self) -> None:
        """Set the clock back to where it began; nothing that is still scheduled may count on it."""
        self._now_s = START_S

    def pass_time(self, seconds: float) -> None:
        """Move the clock on (for the selector)."""
        self._now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Waits like any selector while the loop is busy, and moves the loop's clock instead of waiting when it is not."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self._loop.busy():
            started = time.monotonic()
            ready = super().select(WAIT_S if timeout is None else min(WAIT_S, timeout))
            if not self._loop.frozen or timeout is None:
                self._loop.pass_time(time.monotonic() - started)
                return ready
            if ready:
                return ready
        self._loop.pass_time(timeout)
        self._loop.jumped_s += timeout
        return super().select(0)


def run(main: Callable[[VirtualClockLoop], Any]) -> Any:
    """Run the coroutine main(loop) to its end on a fresh virtual clock and return its result."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualClockLoop)
        return runner.run(main(loop))
