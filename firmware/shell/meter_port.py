"""Asks the meter at its interval and turns what it says, or that it says nothing, into events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilotwire.firmware.session.events import MeterLost, MeterRead
from pilotwire.hal.ports import Meter, MeterError


class MeterPort:
    """Polls one meter, for ever; a meter that fails is asked again at the next turn."""

    def __init__(self, meter: Meter, poll_ms: int, on_event: Callable[[object], None]) -> None:
        self._meter = meter
        self._poll_s = poll_ms / 1000.0
        self._on_event = on_event

    async def run(self) -> None:
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        lost = ""
        try:
            due = loop.time()
            while True:
                try:
                    reading = await self._meter.read()
                except MeterError as error:
                    # Once per kind of failure: a dead meter must not fill the journal.
                    if str(error) != lost:
                        lost = str(error)
                        self._on_event(MeterLost(lost))
                else:
                    lost = ""
                    self._on_event(MeterRead(reading))
                due = max(due + self._poll_s, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            await self._meter.close()
