"""A unix socket with live snapshots, one JSON line every 200 ms, for whoever may open it (mode 0600: the station's own user).

It also takes what a person at the station may do, one JSON line each: {"present": "TAG"}, {"stop": true}, {"clear": true}.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pilotwire.firmware.session.events import StopRequested, TokenPresented

PERIOD_S = 0.2
LINE_MAX = 1024
log = logging.getLogger(__name__)


class StatusPort:
    """Serves snapshots; `clear` asks the pilot to clear faults."""

    def __init__(
        self,
        path: Path,
        snapshot: Callable[[], dict[str, Any]],
        on_event: Callable[[object], None],
        clear: Callable[[], None],
    ) -> None:
        self._path = path
        self._snapshot = snapshot
        self._on_event = on_event
        self._clear = clear
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled; the socket file goes with it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A socket left behind by a dead station is replaced (asyncio sees to it); any other file there is somebody's and stays.
        server = await asyncio.start_unix_server(self._serve, self._path, limit=LINE_MAX, start_serving=False)
        try:
            self._path.chmod(0o600)  # before anybody can connect
            await server.start_serving()
            await asyncio.get_running_loop().create_future()
        finally:
            # Not serve_forever(): from Python 3.12 on it ends only when the last panel has gone of its own accord.
            server.close()
            for client in self._clients:
                client.cancel()
            if self._clients:
                await asyncio.wait(self._clients)
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)
        listening = asyncio.ensure_future(self._listen(reader))
        try:
            while not listening.done():
                writer.write(json.dumps(self._snapshot()).encode() + b"\n")
                await writer.drain()
                await asyncio.wait([listening], timeout=PERIOD_S)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the panel has gone, or the station is going
        finally:
            listening.cancel()
            with suppress(ConnectionError):
                writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take commands until the other end closes or talks nonsense."""
        while True:
            try:
                line = await reader.readline()
            except ConnectionError:
                return
            except ValueError:
                log.warning("status socket: a line of more than %d bytes; closing", LINE_MAX)
                return
            if not line:
                return
            try:
                command = json.loads(line)
            except (ValueError, RecursionError):
                log.warning("status socket: a line that is not JSON; closing")
                return
            if not isinstance(command, dict) or not self._obey(command):
                log.warning('status socket: allowed are {"present": "TAG"}, {"stop": true}, {"clear": true}; closing')
                return

    def _obey(self, command: dict[str, Any]) -> bool:
        tag = command.get("present")
        # Printable, as in the configuration: half a surrogate pair would be valid JSON and no text that can be stored.
        if isinstance(tag, str) and 1 <= len(tag) <= 20 and tag.isprintable():
            self._on_event(TokenPresented(tag))
        elif command.get("stop") is True:
            self._on_event(StopRequested("Local"))
        elif command.get("clear") is True:
            self._clear()
        else:
            return False
        return True
