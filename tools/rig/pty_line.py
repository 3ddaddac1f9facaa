"""A serial line without hardware: a pty in raw mode."""

from __future__ import annotations

import contextlib
import os
import tty


class Pty:
    """One pty in raw mode. The program under test opens `device`; the other end is `master`.

    Both ends stay open here, so that neither side sees a hang-up when the other one dies: a UART has none either.
    """

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.device = os.ttyname(self._slave)

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)
