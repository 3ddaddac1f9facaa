"""The control port on a TCP socket: one JSON object per line in, one per line out, any number of clients, one command at a time.

Time either passes by itself, as fast as a clock on the wall, or only with the command `run` (`virtual`).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from pilotwire.tools.sim.control import SimControl

LINE_MAX = 64 * 1024
TICK_MS = 5
BEHIND_MAX_MS = 200
"""A machine that was held up for longer does not run to catch up: time has stood still meanwhile."""


class Client:
    """One connection and what it has sent so far of its next line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pending = b""

    def read(self) -> list[bytes] | None:
        """The lines that are complete now; None when the client has gone or sends what is no line."""
        try:
            data = self.connection.recv(LINE_MAX)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self.pending = (self.pending + data).split(b"\n")
        return None if len(self.pending) > LINE_MAX else lines

    def write(self, reply: bytes) -> bool:
        """Whether the reply could be sent; a client that does not read for 5 s is left."""
        try:
            self.connection.settimeout(5)
            self.connection.sendall(reply)
            self.connection.setblocking(False)
        except OSError:
            return False
        return True


class ControlServer:
    """Serves one simulated station until somebody says quit. `port` 0 takes a free one; `.port` says which."""

    def __init__(self, control: SimControl, host: str = "127.0.0.1", port: int = 0, *, virtual: bool = False) -> None:
        self._control = control
        self._virtual = virtual
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._clients: set[Client] = set()

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def serve(self) -> None:
        """Until quit, or an error of the simulated world itself."""
        due_s = time.monotonic()
        while not self._control.quit:
            wait_s = None if self._virtual else max(0.0, due_s - time.monotonic())
            for key, _ in self._selector.select(wait_s):
                if key.data is None:
                    self._accept()
                else:
                    self._serve_client(key.data)
            if not self._virtual and time.monotonic() >= due_s:
                self._control.station.run(TICK_MS)
                due_s = max(due_s + TICK_MS / 1000, time.monotonic() - BEHIND_MAX_MS / 1000)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(connection)
            self._clients.add(client)
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _serve_client(self, client: Client) -> None:
        lines = client.read()
        if lines is None:
            if client.pending:
                error = b'{"ok": false, "error": "a request is at most %d bytes, with a line feed behind it"}\n'
                client.write(error % LINE_MAX)
            self._leave(client)
            return
        for line in lines:
            if line.strip() and not client.write(self._control.handle(line)):
                self._leave(client)
                return

    def _leave(self, client: Client) -> None:
        self._selector.unregister(client.connection)
        client.connection.close()
        self._clients.discard(client)

    def close(self) -> None:
        """Close the port and every connection; the station stays as it is."""
        for client in list(self._clients):
            self._leave(client)
        self._selector.close()
        self._listener.close()
