"""The one queue: every input becomes an event, is handled to completion, and its effects are performed before the next.

Time is the running loop's own (`loop.time()`), so that the same code runs in real time and on a virtual clock.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pilotwire.firmware.session.events import Grant, Ticked
from pilotwire.firmware.station import Station

if TYPE_CHECKING:
    from pilotwire.firmware.shell.recorder import Recorder

TICK_S = 1.0
log = logging.getLogger(__name__)


class LeasePort(Protocol):
    """Whatever passes the lease on to the pilot."""

    def set_limit(self, limit_ma: int) -> None:
        """Permit this much from now on; 0 withdraws."""
        ...


class Runner:
    """Feeds a Station. post() may be called from any callback of the loop, also while an event is being handled."""

    def __init__(
        self,
        station: Station,
        unix_ms: Callable[[], int],
        after: Callable[[], None],
        recorder: Recorder | None = None,
    ) -> None:
        self.station = station
        self.lease: LeasePort | None = None
        self._unix_ms = unix_ms
        self._after = after
        self._recorder = recorder
        self._queue: collections.deque[object] = collections.deque()
        self._busy = False
        self._loop = asyncio.get_running_loop()
        # A station whose middle has failed knows no longer what it has done: it must end, so that its lease does.
        self._failed: asyncio.Future[None] = self._loop.create_future()

    def now_ms(self) -> int:
        """Monotonic milliseconds."""
        return int(self._loop.time() * 1000)

    def post(self, event: object) -> None:
        """Handle an event now, or right after the one that is being handled."""
        self._queue.append(event)
        if self._busy:
            return
        if self._failed.done():
            return
        self._busy = True
        try:
            while self._queue:
                item = self._queue.popleft()
                now_ms, unix_ms = self.now_ms(), self._unix_ms()
                effects = self.station.handle(item, now_ms, unix_ms)
                if self._recorder is not None:
                    self._recorder.event(item, now_ms, unix_ms, effects)
                for effect in effects:
                    self._perform(effect)
        except Exception as error:
            self._failed.set_exception(error)
            if self.lease is not None:
                self.lease.set_limit(0)
            return
        finally:
            self._busy = False
        self._after()

    async def run(self) -> None:
        """Post Ticked every second and at the station's deadlines; ends only with the error of a handler that failed."""
        while True:
            wait_s = TICK_S
            deadline_ms = self.station.deadline()
            if deadline_ms is not None:
                wait_s = min(wait_s, max(0.01, deadline_ms / 1000.0 - self._loop.time()))
            await asyncio.wait([self._failed], timeout=wait_s)
            if self._failed.done():
                self._failed.result()
            self.post(Ticked())

    def _perform(self, effect: Grant) -> None:
        if self.lease is not None:
            self.lease.set_limit(effect.limit_ma)
