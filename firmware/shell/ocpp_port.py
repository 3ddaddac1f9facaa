"""The OCPP connection on asyncio: one WebSocket client around one charge point core.

Two tasks. One keeps the connection: dial, wait longer after each failure, hand each text to the core. The other pumps:
it ticks the core when something happened or is due, sends what the core has to send and delivers its events, connected
or not. All time comes from the running loop, the wall clock from a callable.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from pilotwire.firmware.shell.recorded_core import RecordedCore

SUBPROTOCOL = "ocpp1.6"

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
OPEN_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 2.0
PING_S = 30.0
PING_TIMEOUT_S = 20.0
SEND_TIMEOUT_S = 20.0
MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Larger than the core reads (it answers large texts with an error): the WebSocket would drop the connection."""

_log = logging.getLogger(__name__)
_websocket_log = logging.getLogger(f"{__name__}.websocket")
_websocket_log.setLevel(logging.INFO)  # at DEBUG the library writes out headers, and with them the password


class OcppPort:
    """Runs a ChargePoint16 against the central system at one URL."""

    def __init__(
        self,
        url: str,
        core: ChargePoint16 | RecordedCore,
        on_event: Callable[[events.Event], None],
        unix_ms: Callable[[], int],
        *,
        password: str | None = None,
        ping_s: float = PING_S,
        ping_timeout_s: float = PING_TIMEOUT_S,
    ) -> None:
        """`url` ends in the charge point's id; the Basic user is that id, `password` is never logged.

        `on_event` gets every event of the core from the loop's thread; it may call the core, not block.
        """
        self._url = url
        self._core = core
        self._on_event = on_event
        self._unix_ms = unix_ms
        self._password = password
        self._ping_s = ping_s
        self._ping_timeout_s = ping_timeout_s
        self._socket: ClientConnection | None = None
        self._wake = asyncio.Event()
        self._waiting = 0
        self._last_frame_s = 0.0

    @property
    def connected(self) -> bool:
        """The WebSocket is open."""
        return self._socket is not None

    @property
    def awaiting_reply(self) -> bool:
        """The other side has been asked something (call, ping, handshake): a virtual clock must not jump now."""
        return self._waiting > 0 or (self.connected and self._core.outstanding)

    def poke(self) -> None:
        """The station has called the core: send what follows from it."""
        self._wake.set()

    async def run(self) -> None:
        """Keep the connection until cancelled; ends only by cancellation or by a fault of our own."""
        pump = asyncio.ensure_future(self._pump())
        keep = asyncio.ensure_future(self._keep_connected())
        try:
            done, _ = await asyncio.wait((pump, keep), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (keep, pump):
                task.cancel()
            await asyncio.gather(keep, pump, return_exceptions=True)

    # -- connection ------------------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            if await self._one_connection():
                pause_s = FIRST_PAUSE_S
            # Jitter: a thousand stations behind one restarted central system must not come back in step.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _one_connection(self) -> bool:
        """Dial, then read until the connection ends; whether the central system had accepted us meanwhile."""
        # The import costs tens of milliseconds; a station without a back end never pays them.
        from websockets.asyncio.client import connect  # noqa: PLC0415
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI  # noqa: PLC0415

        try:
            with self._count_as_waiting():
                socket = await connect(
                    self._url,
                    subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                    compression=None,
                    additional_headers=self._headers(),
                    open_timeout=OPEN_TIMEOUT_S,
                    close_timeout=CLOSE_TIMEOUT_S,
                    ping_interval=None,  # see _ping
                    max_size=MAX_TEXT_BYTES,
                    proxy=None,
                    logger=_websocket_log,
                )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            _log.info("central system cannot be reached: %s", error)
            return False
        if socket.subprotocol != SUBPROTOCOL:
            _log.warning("central system does not speak %s; closing", SUBPROTOCOL)
            await socket.close(1002)
            return False
        return await self._serve(socket, ConnectionClosed)

    async def _serve(self, socket: ClientConnection, closed: type[Exception]) -> bool:
        accepted = False
        self._socket = socket
        self._core.connected(self._now_ms())
        self._wake.set()
        ping = asyncio.ensure_future(self._ping(socket))
        try:
            async for message in socket:
                self._last_frame_s = self._now_s()
                if isinstance(message, str):  # OCPP-J is text only
                    self._core.receive(message, self._now_ms(), self._unix_ms())
                    accepted = accepted or self._core.registered
                    self._wake.set()
        except closed as error:
            _log.info("connection to the central system lost: %s", error)
        finally:
            ping.cancel()
            self._socket = None
            self._core.disconnected(self._now_ms())
            self._wake.set()
            try:
                with contextlib.suppress(Exception), self._count_as_waiting():
                    await socket.close()
            finally:
                # Whatever became of the closing handshake: in Debian 12's Python 3.11.2 its time-out is lost in a task that is
                # being cancelled, and the descriptor would stay open towards a peer that says nothing.
                socket.transport.abort()
        return accepted

    async def _ping(self, socket: ClientConnection) -> None:
        """Find out that the other side is gone, when it says nothing by itself.

        Our own loop instead of the library's, because a ping under way has to show in `awaiting_reply`.
        """
        with contextlib.suppress(Exception):  # whatever fails here, the reader ends with the connection
            while True:
                await asyncio.sleep(self._ping_s)
                if self._now_s() - self._last_frame_s < self._ping_s:
                    continue
                with self._count_as_waiting():
                    try:
                        await asyncio.wait_for(await socket.ping(), self._ping_timeout_s)
                    except TimeoutError:
                        _log.info("no answer to a ping in %s s; dropping the connection", self._ping_timeout_s)
                        socket.transport.abort()

    def _headers(self) -> dict[str, str]:
        if self._password is None:
            return {}
        identity = unquote(urlsplit(self._url).path.rstrip("/").rpartition("/")[2])
        token = base64.b64encode(f"{identity}:{self._password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    # -- pump ------------------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            self._wake.clear()
            self._core.tick(self._now_ms(), self._unix_ms())
            self._deliver()
            await self._send()
            self._deliver()
            due_ms = self._core.deadline()
            timeout_s = None if due_ms is None else max(0.001, (due_ms - self._now_ms()) / 1000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()

    async def _send(self) -> None:
        socket = self._socket
        for text in self._core.data_to_send():
            if socket is None:
                return
            try:
                # A peer that reads nothing would otherwise hold the pump, and with it every event, for ever.
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await socket.send(text)
            except TimeoutError:
                _log.info("central system takes nothing for %s s; dropping the connection", SEND_TIMEOUT_S)
                socket.transport.abort()
                return
            except Exception as error:  # the reader sees the same end, and tells the core
                _log.debug("not sent: %s", error)
                return

    def _deliver(self) -> None:
        while (event := self._core.next_event()) is not None:
            if isinstance(event, events.PeerMisbehaved | events.MessageAbandoned):
                _log.warning("%s", event)
            self._on_event(event)

    # -- time ------------------------------------------------------------------------------------------------------------

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)

    @contextlib.contextmanager
    def _count_as_waiting(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
