"""A serial cable made of two ptys: a device path at each end, bytes carried across by the running asyncio loop.

What it does not do: it has no baud rate, no parity and no character times; bytes that the far end does not read in time
are lost once the kernel's buffer is full, as on a real line without flow control.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path

_CHUNK = 4096


class SerialLine:
    """Two device paths joined back to back.

    Both ends start raw and stay usable while programs open and close them. `unplug` makes both hang up, as a USB
    adapter does when it is pulled; `plug` brings back new ptys, under the same links when links were given.
    """

    def __init__(self, links: tuple[Path | None, Path | None] = (None, None)) -> None:
        """`links` are symbolic links to keep pointing at the current device of each end, like /dev/serial/by-id."""
        self._links = links
        self._masters: tuple[int, ...] = ()
        self._slaves: tuple[int, ...] = ()
        self.ends: tuple[str, str] = ("", "")
        """Device path of each end, or its link; valid after `plug`."""

    def plug(self) -> None:
        """Make the ptys and carry bytes from now on; needs the running loop, does nothing when already plugged."""
        if self._masters:
            return
        loop = asyncio.get_running_loop()
        pairs = (os.openpty(), os.openpty())
        self._masters = tuple(master for master, _ in pairs)
        # Held open here, so that an end nobody uses at the moment is quiet instead of hung up.
        self._slaves = tuple(slave for _, slave in pairs)
        names: list[str] = []
        for (master, slave), link in zip(pairs, self._links, strict=True):
            tty.setraw(slave)
            os.set_blocking(master, False)
            device = os.ttyname(slave)
            if link is not None:
                link.unlink(missing_ok=True)
                link.symlink_to(device)
            names.append(device if link is None else str(link))
        self.ends = (names[0], names[1])
        left, right = self._masters
        loop.add_reader(left, _carry, left, right)
        loop.add_reader(right, _carry, right, left)

    def unplug(self) -> None:
        """Hang up both ends and remove the links."""
        loop = asyncio.get_running_loop()
        for master in self._masters:
            loop.remove_reader(master)
        for descriptor in self._masters + self._slaves:
            os.close(descriptor)
        self._masters = self._slaves = ()
        for link in self._links:
            if link is not None:
                link.unlink(missing_ok=True)


def _carry(source: int, target: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(target, os.read(source, _CHUNK))
