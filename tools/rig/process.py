"""A child process that cannot outlive us, with its output in a file that is quoted when something goes wrong."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class RigError(Exception):
    """A part of the rig did not do what it must; the text says which, and quotes the end of its log."""


HARDWARE_NICE = -15


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _be_hardware() -> None:
    """What stands for hardware would have a processor of its own: it goes first, where this user may say so.

    A nice value counts only against processes of the same session where the kernel groups processes by session, and then other work
    could still keep it waiting; a real-time policy counts against all. The operating system keeps 5 % of the time from it even so.
    """
    _die_with_parent()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, HARDWARE_NICE)
    with contextlib.suppress(OSError):  # not permitted to this user, or to anybody in this container
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


class Process:
    """One child. `stdout` is a pipe that ready_line() reads, unless descriptors are given for stdin and stdout."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        log: Path,
        *,
        line: int | None = None,
        environment: Mapping[str, str] | None = None,
        hardware: bool = False,
    ) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as stderr:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if line is None else line,
                stdout=subprocess.PIPE if line is None else line,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
                # No thread of ours holds a lock across the fork.
                preexec_fn=_be_hardware if hardware else _die_with_parent,  # noqa: PLW1509
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._popen.poll() is None

    def ready_line(self, timeout_s: float = 15.0) -> dict[str, Any]:
        """The JSON line that the process prints when it is ready; raises RigError."""
        assert self._popen.stdout is not None
        descriptor = self._popen.stdout.fileno()
        line = b""
        until = time.monotonic() + timeout_s
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise RigError(f"{self.name} was not ready after {timeout_s:g} s; {self.last_words()}")
            byte = os.read(descriptor, 1)
            if not byte:
                raise RigError(f"{self.name} ended before it was ready; {self.last_words()}")
            line += byte
        ready: dict[str, Any] = json.loads(line)
        return ready

    def signal(self, number: int) -> None:
        """Send a signal to this process."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._popen.kill()
        self._popen.wait(10.0)
        self._close_pipes()

    def stop(self, timeout_s: float = 5.0) -> int:
        """SIGTERM, then SIGKILL if that does not help; returns the exit status."""
        if self.running:
            self._popen.send_signal(signal.SIGCONT)
            self._popen.terminate()
            try:
                self._popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(10.0)
        self._close_pipes()
        return self._popen.returncode

    def last_words(self) -> str:
        """End of what the process wrote to standard error."""
        text = self._log.read_text(errors="replace")[-1500:].strip() if self._log.exists() else ""
        status = self._popen.poll()
        state = "it is still running" if status is None else f"it ended with status {status}"
        return f"{state}; its log ({self._log}) ends: {text or '(empty)'}"

    def _close_pipes(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float, poll_s: float = 0.05) -> Any:
    """The first true value of condition(); raises RigError naming `what` when there is none in time."""
    until = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= until:
            raise RigError(f"waited {timeout_s:g} s in vain for: {what}")
        time.sleep(poll_s)
