"""A station that permits charging and PINGs the pilot, through the same port as the service (firmware/shell/pilot_port.py).

    python -m pilotwire.tools.bench.link.station_main DEVICE COUNT

It prints one JSON line: for each length of the payload the times of each PING, and the pilot's clock before the first and after the
last one. Two times of each, in ms: from the request to the port until the port's event says the result; and, of that, from the
instant at which the frame was given to the line until the one at which the result was read from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from typing import Any

from pilotwire.firmware.kernel.table import CLOSED
from pilotwire.firmware.shell.pilot_port import PilotPort, open_serial
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.frame import FrameReader
from pilotwire.protocols.link.station import PilotResult, PilotState, StationLink
from pilotwire.tools.bench.link.cost import LONG, SHORT

BAUD = 115200
LIMIT_MA = 16000
TTL_MS = 1000
CHARGING_TIMEOUT_S = 30.0
PING_TIMEOUT_S = 10.0
PAUSE_S = 0.03  # at most, before each PING: it comes at any moment of the port's timer and of the pilot's tick


class LoggedLink(StationLink):
    """Keeps what passes between link and line, with the instant; read() takes it apart when there is time."""

    def __init__(self, program: str, session: int) -> None:
        super().__init__(program, session)
        self._log: list[tuple[float, bool, bytes]] = []
        self._readers = {False: FrameReader(), True: FrameReader()}
        self.said_s: dict[int, float] = {}
        """When a COMMAND was first given to the line, by its id."""
        self.answered_s: dict[int, float] = {}
        """When the first RESULT came that was not BUSY."""

    def receive(self, data: bytes | bytearray, now_ms: int) -> None:
        """Bytes from the line."""
        self._log.append((time.perf_counter(), False, bytes(data)))
        super().receive(data, now_ms)

    def data_to_send(self) -> bytes:
        """Bytes for the line."""
        data = super().data_to_send()
        if data:
            self._log.append((time.perf_counter(), True, data))
        return data

    def read(self) -> None:
        """Find COMMANDs and RESULTs in what was kept, and forget it."""
        log, self._log = self._log, []
        for at_s, ours, data in log:
            for message in self._readers[ours].receive(data):
                ident = message[5] if len(message) > 5 else None
                assert isinstance(ident, int | bytes | None)
                if not isinstance(ident, int):
                    continue
                if ours and message[0] == messages.COMMAND:
                    self.said_s.setdefault(ident, at_s)
                elif not ours and message[0] == messages.RESULT and message[6] != messages.BUSY:
                    self.answered_s.setdefault(ident, at_s)


class Pinger:
    """The station around one port."""

    def __init__(self, device: str, rng: random.Random) -> None:
        self._rng = rng
        self._charging = asyncio.Event()
        self._result: asyncio.Future[tuple[float, PilotResult]] | None = None
        self.pilot_ms = -1
        self.link = LoggedLink("pilotwire bench link", 1 + rng.randrange(2**28))
        self.port = PilotPort(self.link, lambda: open_serial(device, BAUD), self._take, TTL_MS)

    def _take(self, event: object) -> None:
        if isinstance(event, PilotState):
            self.pilot_ms = event.pilot_ms
            if event.phase == CLOSED and event.contacts_closed:
                self._charging.set()
        elif isinstance(event, PilotResult) and self._result is not None and not self._result.done():
            self._result.set_result((time.perf_counter(), event))

    async def run(self, count: int) -> list[dict[str, Any]]:
        """Charge, then PING; raises TimeoutError or RuntimeError when the pilot does not do its part."""
        running = asyncio.ensure_future(self.port.run())
        try:
            self.port.set_limit(LIMIT_MA)
            await asyncio.wait_for(self._charging.wait(), CHARGING_TIMEOUT_S)
            return [await self._pings(length, count) for length in (SHORT, LONG)]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _pings(self, length: int, count: int) -> dict[str, Any]:
        start_ms = self.pilot_ms
        times_ms = [await self._ping(length) for _ in range(count)]
        return {"bytes": length, "start_ms": start_ms, "end_ms": self.pilot_ms, "times_ms": times_ms}

    async def _ping(self, length: int) -> tuple[float, float]:
        await asyncio.sleep(self._rng.uniform(0.0, PAUSE_S))
        number, data = self._rng.randrange(2**29), self._rng.randbytes(length)
        self._result = asyncio.get_running_loop().create_future()
        asked_s = time.perf_counter()
        ident = self.link.command(messages.PING, number, data)
        told_s, result = await asyncio.wait_for(self._result, PING_TIMEOUT_S)
        if (result.ident, result.status, result.number, result.data) != (ident, messages.OK, number, data):
            raise RuntimeError(f"PING {ident} came back with status {result.status} or with something else in it")
        self.link.read()
        line_s = self.link.answered_s[ident] - self.link.said_s[ident]
        return (told_s - asked_s) * 1000.0, line_s * 1000.0


async def _main(device: str, count: int) -> None:
    pinger = Pinger(device, random.Random(int.from_bytes(os.urandom(4), "big")))
    print(json.dumps({"batches": await pinger.run(count)}), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
