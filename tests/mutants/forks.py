"""Work in forked children, a few at a time, with an end to each of them."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

Send = Callable[[bytes], None]


K = TypeVar("K")


class Task(NamedTuple, Generic[K]):
    """`work` runs in a child of its own; what it sends comes back in Ended. `key` is whatever tells it from others."""

    key: K
    work: Callable[[Send], None]
    wall_s: float
    """Real time after which it is killed, for what stands still without using the processor."""


class Ended(NamedTuple, Generic[K]):
    """How a task ended."""

    task: Task[K]
    data: bytes
    signal: int
    """The signal that ended the child, or 0."""
    out_of_time: bool
    cpu_s: float


class _Child(NamedTuple, Generic[K]):
    task: Task[K]
    pid: int
    until_s: float
    parts: list[bytes]


def run(tasks: Iterator[Task[K]], jobs: int, quiet: bool = True) -> Iterator[Ended[K]]:
    """Run all tasks, at most `jobs` at a time; the next one is asked for when there is room for it."""
    with selectors.DefaultSelector() as selector:
        children: dict[int, _Child[K]] = {}
        exhausted = False
        try:
            while True:
                while not exhausted and len(children) < jobs:
                    task = next(tasks, None)
                    if task is None:
                        exhausted = True
                        break
                    fd, pid = _start(task, quiet)
                    children[fd] = _Child(task, pid, time.monotonic() + task.wall_s, [])
                    selector.register(fd, selectors.EVENT_READ)
                if not children:
                    return
                patience_s = min(child.until_s for child in children.values()) - time.monotonic()
                ready = [key.fd for key, _ in selector.select(max(0.0, patience_s))]
                late = [fd for fd, child in children.items() if child.until_s <= time.monotonic() and fd not in ready]
                for fd in ready + late:
                    data = os.read(fd, 1 << 16) if fd in ready else b""
                    if data:
                        children[fd].parts.append(data)
                        continue
                    selector.unregister(fd)
                    os.close(fd)
                    yield _end(children.pop(fd), fd in late)
        finally:
            for fd, child in children.items():
                os.close(fd)
                _end(child, True)


def _start(task: Task[K], quiet: bool) -> tuple[int, int]:
    read_fd, write_fd = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(write_fd)
        return read_fd, pid
    status = 1
    try:
        # A group of its own, so that whatever the tests start ends with it; and no Ctrl-C but through the parent.
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if quiet:
            null_fd = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null_fd, fd)

        def send(data: bytes) -> None:
            while data:
                data = data[os.write(write_fd, data) :]

        task.work(send)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _end(child: _Child[K], kill: bool) -> Ended[K]:
    if kill:
        for end in (os.killpg, os.kill):  # the group may not be there yet
            try:
                end(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    _, status, usage = os.wait4(child.pid, 0)
    by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Ended(child.task, b"".join(child.parts), by, kill, usage.ru_utime + usage.ru_stime)
