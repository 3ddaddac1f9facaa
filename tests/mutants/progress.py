"""How far it is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

EVERY_S = 30.0


class Progress:
    """Counts what has ended, and what survived."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.survived = 0
        self._started_s = self._shown_s = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.stdout.isatty():
            print("\r\x1b[K", end="", flush=True)

    def step(self, *, survived: bool) -> None:
        """One more mutant is through, alive or not."""
        self.done += 1
        self.survived += survived
        now_s = time.monotonic()
        terminal = sys.stdout.isatty()
        if now_s - self._shown_s < (0.2 if terminal else EVERY_S):
            return
        self._shown_s = now_s
        passed_s = now_s - self._started_s
        left_s = passed_s / self.done * (self.total - self.done)
        text = f"{self.done}/{self.total} mutants, {self.survived} survived, {left_s:.0f} s to go"
        if terminal:
            filled = 30 * self.done // max(1, self.total)
            print(f"\r\x1b[K[{'#' * filled}{'.' * (30 - filled)}] {text}", end="", flush=True)
        else:
            print(text, flush=True)
