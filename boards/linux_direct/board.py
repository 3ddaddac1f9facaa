"""The station's side: starts the pilot process, hands out its link as a Line, and starts it again when it has died.

PilotPort (firmware/shell) calls open_line() again half a second after a line has closed. While the next start is held back, or the
process before is still stopping a car, open_line() raises OSError saying so.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotwire.firmware.shell.pilot_port import Line

MODULE = "pilotwire.boards.linux_direct.pilot_main"
HOLD_BACK_S = (0.5, 60.0)  # first and longest wait before another start; doubled each time
GOOD_S = 60.0  # a pilot that has run this long has been a good start
LAST_WORDS_MAX = 65536
log = logging.getLogger(__name__)


class PilotKeeper:
    """Keeps one pilot process per open line. `last_event` is the last JSON line that the process before has left."""

    def __init__(
        self, config: str | Path, now_s: Callable[[], float] = time.monotonic, argv: list[str] | None = None
    ) -> None:
        """`argv` replaces the program, for tests."""
        self.last_event: dict[str, Any] = {}
        self._argv = argv if argv is not None else [sys.executable, "-m", MODULE, "--config", str(config)]
        self._now_s = now_s
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._not_before_s = 0.0
        self._hold_back_s = HOLD_BACK_S[0]

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process of the line that was opened last."""
        return self._process

    def open_line(self) -> Line:
        """Start the pilot and return its link, which never blocks; raises OSError while it must not be started."""
        self._bury()
        if self._process is not None:
            raise OSError(f"the pilot process {self._process.pid} is still there; it ends when it has stopped the car")
        if self.held_back_s() > 0:
            why = self.last_event.get("sentence", "it has died")
            raise OSError(f"the pilot is not started again for {self.held_back_s():.1f} s: {why}")
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*self._argv, "--link-fd", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                    # What ends the station (Ctrl-C, a signal to its group) must not end the pilot with a car under load.
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        self._started_s = self._now_s()
        ours.setblocking(False)
        return ours

    def held_back_s(self) -> float:
        """Seconds until the next start is allowed; not more than 0: now."""
        return self._not_before_s - self._now_s()

    def wait(self, timeout_s: float) -> int:
        """Wait for the process to end by itself; returns its status, raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def _bury(self) -> None:
        """Take leave of a process that has ended, and decide when the next one may start."""
        process = self._process
        if process is None or process.poll() is None:
            return
        self._process = None
        assert process.stdout is not None
        with process.stdout as pipe:
            os.set_blocking(pipe.fileno(), False)  # a descendant that nobody knows of may hold it open
            words = pipe.read(LAST_WORDS_MAX) or b""
        self.last_event = _last_event(words)
        now_s = self._now_s()
        if now_s - self._started_s >= GOOD_S:
            self._hold_back_s = HOLD_BACK_S[0]
        self._not_before_s = now_s + self._hold_back_s
        log.warning(
            "pilot process ended with status %d, next start in %g s: %s",
            process.returncode,
            self._hold_back_s,
            self.last_event.get("sentence", self.last_event),
        )
        self._hold_back_s = min(self._hold_back_s * 2, HOLD_BACK_S[1])


def start_pilot(config: str | Path) -> Line:
    """Start a pilot once and return its link; whoever wants it kept running keeps a PilotKeeper."""
    return PilotKeeper(config).open_line()


def _last_event(words: bytes) -> dict[str, Any]:
    for line in reversed(words.splitlines()):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            return event
    return {}
