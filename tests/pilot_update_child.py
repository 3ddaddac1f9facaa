"""A pilot board as a process: the installed loader on a flash memory that is a folder, with the power that may be cut.

    micropython pilot_update_child.py FLASH CAUSE SPEED HEARTBEAT_FD CUT

FLASH ends with "/", and holds what `pilotwire firmware prepare` has written; nothing of pilotwire is importable from elsewhere.
CAUSE is the hardware's reset reason. The clock runs SPEED times as fast as the machine's. "." on HEARTBEAT_FD feeds the watchdog,
which is whoever reads it; "s" there is a step of writing the flash memory: a file was made empty, or written to, or closed. With
CUT = n > 0 this process is killed in the n-th one, a write in its middle. Standard input and output are the link, not blocking.

It lacks a file system that loses what had been written and closed. MicroPython only.
"""

import os
import select
import sys
import time

FLASH = sys.argv[1]
CAUSE, SPEED, HEARTBEAT_FD, CUT = [int(argument) for argument in sys.argv[2:]]
sys.path[:] = [FLASH, ".frozen"]

from pilot_loader.flash import Flash  # noqa: E402 - from the flash memory, which the lines above have mounted, so to say
from pilot_loader.loader import Loader  # noqa: E402
from pilot_loader.slots import Slots  # noqa: E402

TICK_US = 5000
MASK = (1 << 30) - 1


def cut_power() -> None:
    """End this process at once: no handler, no finalizer, no buffer runs."""
    os.system("kill -9 $PPID")


class CutFlash(Flash):
    """The flash memory of a board whose power is cut at step `cut`."""

    def __init__(self, root: str, cut: int, edge: "Edge") -> None:
        super().__init__(root)
        self._left = cut
        self._edge = edge

    def step(self) -> bool:
        """One step of writing is being done; True when it is the last one."""
        self._edge.tell(b"s")
        self._left -= 1
        return self._left == 0

    def open(self, name: str, mode: str) -> object:
        """As Flash.open."""
        file = super().open(name, mode)
        if "w" not in mode:
            return file
        if self.step():
            cut_power()
        return CutFile(self, file)


class CutFile:
    """A file being written."""

    def __init__(self, flash: CutFlash, file: object) -> None:
        self._flash = flash
        self._file = file

    def write(self, data: bytes) -> None:
        """All of it, or the first half."""
        if self._flash.step():
            self._file.write(data[: len(data) // 2])
            cut_power()
        self._file.write(data)

    def close(self) -> None:
        """Close, and perhaps no more."""
        self._file.close()
        if self._flash.step():
            cut_power()


class Hardware:
    """What the program sees of the board."""

    def car(self) -> bool:
        """A car is plugged in while there is a file named car."""
        try:
            os.stat(FLASH + "car")
        except OSError:
            return False
        return True


class Edge:
    """The loader's edge to this process."""

    def __init__(self) -> None:
        self.hardware = Hardware()
        self._heart = open(HEARTBEAT_FD, "wb")  # noqa: SIM115 - for as long as the board lives
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._byte = bytearray(1)
        self._zero_us = time.ticks_us()
        self._us = 0
        self._due_us = 0

    def cause(self) -> int:
        """Given by whoever has started us."""
        return CAUSE

    def start_watchdog(self) -> None:
        """The first byte starts it."""
        self.feed()

    def feed(self) -> None:
        """One byte."""
        self.tell(b".")

    def tell(self, what: bytes) -> None:
        """One byte to whoever watches this process."""
        self._heart.write(what)

    def wait(self) -> int:
        """Sleep until the next tick."""
        self._due_us += TICK_US
        if self._now_us() < self._due_us:
            time.sleep_us((self._due_us - self._now_us()) // SPEED)
        else:
            self._due_us = self._now_us()  # late: nothing is made up for
        return self._now_us() // 1000 & MASK

    def read(self) -> bytes:
        """What has arrived."""
        data = bytearray()
        while len(data) < 512 and self._poll.poll(0):
            if not sys.stdin.buffer.readinto(self._byte):
                break
            data.extend(self._byte)
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Send, or lose."""
        try:  # noqa: SIM105 - MicroPython has no contextlib
            sys.stdout.buffer.write(data)
        except OSError:
            pass

    def restart(self) -> None:
        """A reset: this process ends, and somebody starts the next one."""
        sys.exit(0)

    def _now_us(self) -> int:
        now_us = time.ticks_us()
        self._us += time.ticks_diff(now_us, self._zero_us) * SPEED
        self._zero_us = now_us
        return self._us


def main() -> None:
    """One life of the board."""
    edge = Edge()
    flash = CutFlash(FLASH, CUT, edge)
    keys = flash.read("trusted.keys")
    trusted = [keys[at : at + 32] for at in range(0, len(keys), 32)]
    Loader(edge, flash, Slots(flash, "test", trusted)).run()


try:
    main()
except Exception as error:
    # The console of this board is the line, where nobody would read it.
    sys.print_exception(error, sys.stderr)
    sys.exit(1)
