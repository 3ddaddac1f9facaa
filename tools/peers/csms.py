"""Our side of the independent central system: starts `ocpp_csms_peer.py` in its own environment and talks to it.

The peer is AGPL software; it stays in a process and an environment of its own (see the head of that script).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).resolve().with_name("ocpp_csms_peer.py")
ENVIRONMENT_VARIABLE = "PILOTWIRE_CSMS_PYTHON"
REMEDY = "python3 -m venv .venv-csms && .venv-csms/bin/pip install 'ocpp-csms>=0.1'"

Line = dict[str, Any]


class CsmsError(Exception):
    """The central system's process cannot be found, started or spoken to; the text names the remedy."""


def find_interpreter(given: str | Path | None = None) -> Path:
    """The interpreter of the environment that has `ocpp-csms`: argument, environment variable, `.venv-csms` beside ours.

    Raises CsmsError when there is none.
    """
    beside = Path(sys.prefix).parent / ".venv-csms" / "bin" / "python"
    named = given or os.environ.get(ENVIRONMENT_VARIABLE)
    path = Path(named) if named else beside
    if not path.is_file():
        raise CsmsError(
            f"no interpreter with ocpp-csms at {path}; in the project's folder run `{REMEDY}`, "
            f"or name one in {ENVIRONMENT_VARIABLE}"
        )
    return path


class CsmsProcess:
    """One run of the central system; a context manager that leaves no process behind."""

    def __init__(
        self, python: str | Path | None = None, port: int = 0, options: Sequence[str] = (), log: Path | None = None
    ) -> None:
        """`options` are the script's own, for example ("--authorize", "TAG1,TAG2"); raises CsmsError.

        `log` is a file that gets every line of the process, appended, so that restarts stand in one file.
        """
        self._command = [str(find_interpreter(python)), "-I", str(SCRIPT), "--port", str(port), *options]
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._condition = threading.Condition()
        self._replies: dict[int, Line] = {}
        self._threads: list[threading.Thread] = []
        self._ready = False
        self._next_id = 1
        self._errors: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.port = port
        """The real port once started."""
        self.frames: list[Line] = []
        """Every OCPP text in order: {"frame": "in"|"out", "cp": id, "text": ...}; "in" is what we sent."""
        self.events: list[Line] = []
        """Every event in order: {"event": name, ...}."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout_s: float = 30.0) -> Self:
        """Start and wait until it listens; raises CsmsError."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        readers = (self._read_lines, self._read_errors)
        self._threads = [threading.Thread(target=read, args=(self._process,), daemon=True) for read in readers]
        for thread in self._threads:
            thread.start()
        if not self.wait_for(lambda: self._ready, timeout_s):
            self.kill()
            raise CsmsError(f"the central system did not start: {self.errors() or 'it said nothing'}; {REMEDY}")
        return self

    def url(self, charge_point_id: str) -> str:
        """Where a charge point connects."""
        return f"ws://127.0.0.1:{self.port}/{charge_point_id}"

    def command(self, name: str, timeout_s: float = 30.0, **fields: Any) -> Line:
        """Give one command and wait for its reply; raises CsmsError when none comes. Blocks."""
        assert self._process is not None
        assert self._process.stdin is not None
        number, self._next_id = self._next_id, self._next_id + 1
        try:
            self._process.stdin.write(json.dumps({"cmd": name, "id": number, **fields}) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise CsmsError(f"{name}: the central system is gone ({error})") from error
        if not self.wait_for(lambda: number in self._replies, timeout_s):
            raise CsmsError(f"{name}: no reply in {timeout_s} s; {self.errors()}")
        return self._replies.pop(number)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
        """Wait until `condition` holds (looked at after each line); whether it came to hold. Blocks."""
        until = time.monotonic() + timeout_s
        with self._condition:
            while not condition():
                left = until - time.monotonic()
                if left <= 0 or not self._condition.wait(min(left, 1.0)):
                    if condition():
                        return True
                    if left <= 0 or not self.alive:
                        return False
            return True

    @property
    def alive(self) -> bool:
        """The process runs."""
        return self._process is not None and self._process.poll() is None

    def calls(self, *actions: str) -> list[list[Any]]:
        """CALLs received so far, as parsed frames, of these actions (none named: of all)."""
        parsed = [json.loads(line["text"]) for line in list(self.frames) if line["frame"] == "in" and _is_call(line)]
        return [frame for frame in parsed if not actions or frame[2] in actions]

    def errors(self) -> str:
        """What it wrote to stderr so far."""
        lines = []
        while not self._errors.empty():
            lines.append(self._errors.get())
        return "".join(lines)

    def signal(self, number: int) -> None:
        """Send a signal to the process (SIGSTOP makes a central system that accepts and never answers)."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._release()

    def stop(self, timeout_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL if that is not enough."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def _release(self) -> None:
        assert self._process is not None
        self._process.wait(10)
        for reader in self._threads:
            reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # what could not be written any more has no reader

    def _read_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for text in process.stdout:
            self._note(text)
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the half line of a killed process
            with self._condition:
                if line.get("ready"):
                    self.port = line["port"]
                    self._ready = True
                elif "frame" in line:
                    self.frames.append(line)
                elif "event" in line:
                    self.events.append(line)
                elif "reply" in line:
                    self._replies[line["id"]] = line
                self._condition.notify_all()

    def _read_errors(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for text in process.stderr:
            self._note(text)
            self._errors.put(text)

    def _note(self, text: str) -> None:
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(text)


def _is_call(line: Line) -> bool:
    return str(line["text"]).lstrip().startswith("[2,")
