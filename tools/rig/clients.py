"""How the rig talks to its parts: the world's control port and the station's status socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from pilotwire.tools.rig.process import RigError

TIMEOUT_S = 5.0


class WorldClient:
    """Requests to the world's control port (boards/sim/world_main.py)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._file = self._sock.makefile("rb")

    def ask(self, cmd: str, **arguments: Any) -> dict[str, Any]:
        """One request; raises RigError when the world refuses it."""
        try:
            self._sock.sendall(json.dumps({"cmd": cmd, **arguments}).encode() + b"\n")
            line = self._file.readline()
        except OSError as error:
            raise RigError(f"the world does not answer on its control port: {error}") from error
        if not line:
            raise RigError("the world has closed its control port")
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            raise RigError(f"the world refused {cmd}: {reply['error']}")
        return reply

    def send(self, data: bytes) -> None:
        """Raw bytes, for those who test what the world makes of them."""
        self._sock.sendall(data)

    def now_ms(self) -> int:
        """The world's clock."""
        return int(self.ask("now")["t_ms"])

    def plug(self) -> int:
        """Plug the car in; returns the world's time of it."""
        return int(self.ask("plug")["t_ms"])

    def unplug(self) -> int:
        """Pull the plug."""
        return int(self.ask("unplug")["t_ms"])

    def set(self, **parts: dict[str, Any]) -> int:
        """Change settings of car, circuit or contactor."""
        return int(self.ask("set", **parts)["t_ms"])

    def read(self) -> dict[str, Any]:
        """The circuit now."""
        return self.ask("read")

    def at(self, mono_ms: float) -> int:
        """World time at an instant of the system's monotonic clock."""
        return int(self.ask("at", mono_ms=mono_ms)["t_ms"])

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Events from row `since` on."""
        rows: list[dict[str, Any]] = self.ask("events", since=since)["rows"]
        return rows

    def trace(self, since: int = 0) -> list[dict[str, Any]]:
        """Trace from row `since` on."""
        rows: list[dict[str, Any]] = self.ask("trace", since=since)["rows"]
        return rows

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._sock.close()


def read_snapshot(path: Path) -> dict[str, Any] | None:
    """The station's present snapshot, or None when it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(str(path))
            with sock.makefile("rb") as file:
                line = file.readline()
        return json.loads(line) if line else None
    except OSError:
        return None


def send_command(path: Path, command: dict[str, Any]) -> None:
    """Say one command to the station's status socket; raises OSError when it is not there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(str(path))
        sock.sendall(json.dumps(command).encode() + b"\n")
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
