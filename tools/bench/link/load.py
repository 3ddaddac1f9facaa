"""A synthetic load: on each core one process that does nothing but keep it busy."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pilotwire.tools.rig.process import Process

BUSY = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    for _ in range(1000):
        pass
"""


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def load(folder: Path, most_s: float) -> Iterator[list[int]]:
    """Keep every core busy at normal priority; yields the pids. It ends with the block, and after most_s by itself."""
    with contextlib.ExitStack() as last_to_first:
        processes = []
        for core in cores():
            argv = [sys.executable, "-c", BUSY, str(core), str(most_s)]
            processes.append(Process(f"load on core {core}", argv, folder / f"load-{core}.log"))
            last_to_first.callback(processes[-1].kill)
        yield [process.pid for process in processes]


class Busy:
    """How busy the machine's cores have been since this object was made."""

    def __init__(self) -> None:
        self._began = _jiffies()

    def share(self) -> float:
        """0..1, of all cores together, whoever it was that kept them busy."""
        busy, everything = (now - then for now, then in zip(_jiffies(), self._began, strict=True))
        return busy / everything if everything else 0.0


def _jiffies() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)
