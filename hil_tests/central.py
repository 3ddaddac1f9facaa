"""An independent central system for tests of the whole station (tools/peers), and what was said between it and the station."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from pilotwire.tools.peers.csms import CsmsProcess

from .course import Course

STEP_MS = 25
STEP_S = 0.001
"""The bench's clock may run much faster than the other process: it gets this real time for each step of the bench's."""
LONGEST_MS = 40_000


class Central:
    """The central system of one test; `since` of the process's frames are other tests'."""

    def __init__(self, csms: CsmsProcess, course: Course, name: str) -> None:
        self.csms = csms
        self._course = course
        self._name = name

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Let bench and central system talk until the condition holds; fails the test after 40 s of the bench's clock."""
        for _ in range(0, LONGEST_MS, STEP_MS):
            if condition():
                return
            self._course.run(STEP_MS)
            time.sleep(STEP_S)
        raise AssertionError(f"{what or 'what was waited for'} has not come: {self.told()[-5:]}; {self._course.why}")

    def talk(self, ms: int) -> None:
        """Let so much time pass, slowly enough that the central system can answer."""
        for _ in range(0, ms, STEP_MS):
            self._course.run(STEP_MS)
            time.sleep(STEP_S)

    def told(self, *actions: str) -> list[tuple[str, dict[str, Any]]]:
        """Every call of the station to it so far, as action and payload."""
        frames = [
            json.loads(line["text"]) for line in list(self.csms.frames) if self._mine(line) and line["frame"] == "in"
        ]
        return [(frame[2], frame[3]) for frame in frames if frame[0] == 2 and (not actions or frame[2] in actions)]

    def payloads(self, action: str) -> list[dict[str, Any]]:
        """The payloads of one action."""
        return [payload for _, payload in self.told(action)]

    def statuses(self) -> list[str]:
        """Statuses of connector 1, in order."""
        return [each["status"] for each in self.payloads("StatusNotification") if each["connectorId"] == 1]

    def wait_told(self, action: str, count: int = 1) -> dict[str, Any]:
        """Wait for so many calls of an action; returns the newest one's payload."""
        self.until(lambda: len(self.told(action)) >= count, action)
        return self.payloads(action)[-1]

    def _mine(self, line: dict[str, Any]) -> bool:
        return bool(line["cp"] == self._name)

    def command(self, name: str, **fields: Any) -> str:
        """A command to the station (peers/ocpp_csms_peer.py); returns the status the station answered with."""
        replies: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: replies.append(self.csms.command(name, 20.0, cp=self._name, **fields)))
        thread.start()
        try:
            self.until(lambda: not thread.is_alive(), f"the answer to {name}")
        finally:
            thread.join(25)
        return str(replies[0]["status"])
