"""What the operating system has to promise the pilot: processor first, memory resident. The system calls are the process edge."""

from __future__ import annotations

import ctypes
import os

from pilotwire.boards.linux_direct import refusal
from pilotwire.boards.linux_direct.config import Process
from pilotwire.boards.linux_direct.refusal import RefusedError

MCL_CURRENT = 1  # sys/mman.h on the machines Linux boards have; on powerpc, sparc and alpha they differ
MCL_FUTURE = 2


class System:
    """The system calls, each raising OSError. A test brings one that refuses."""

    def lock_memory(self) -> None:
        """No page of this process leaves memory, now or later."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mlockall: {os.strerror(number)}")

    def schedule(self, priority: int) -> None:
        """SCHED_FIFO at this priority; children, of which there are none, would not inherit it."""
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))

    def bind(self, cpu: int) -> None:
        """Run on this processor only."""
        os.sched_setaffinity(0, {cpu})


def claim(settings: Process, system: System) -> None:
    """Get everything, or raise RefusedError saying what is missing and how to permit it."""
    for what, how, call in (
        ("locked memory", "CAP_IPC_LOCK (systemd: LimitMEMLOCK=infinity)", system.lock_memory),
        ("real-time scheduling", "CAP_SYS_NICE (systemd: LimitRTPRIO=90)", lambda: system.schedule(settings.priority)),
        (f"processor {settings.cpu}", "a processor that this system has", lambda: _bind(settings, system)),
    ):
        try:
            call()
        except OSError as error:
            raise RefusedError(refusal.REALTIME, f"{what} is not permitted ({error}); it needs {how}") from None


def _bind(settings: Process, system: System) -> None:
    if settings.cpu >= 0:
        system.bind(settings.cpu)
