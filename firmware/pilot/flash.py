"""The file system of the pilot, as far as the loader uses it: everything that is ever written goes through here.

Needs of the file system below it: what a closed file holds stays, and what is being written may be lost or cut off, but harms no
other file. LittleFS on the microcontroller keeps this through a power cut. MicroPython subset.
"""

import os

MARGIN = 8192  # bytes left free for the file system's own books and whatever else is stored


class Flash:
    """Files below one folder, by plain names."""

    def __init__(self, root: str = "") -> None:
        self._root = root

    def read(self, name: str, size: int = -1) -> bytes:
        """The first `size` bytes of a file, or all of it; empty when there is none."""
        try:
            file = open(self._root + name, "rb")
        except OSError:
            return b""
        try:
            return file.read(size)
        except OSError:
            return b""
        finally:
            file.close()

    def open(self, name: str, mode: str) -> "object":
        """The file itself ("rb" or "wb"); raises OSError."""
        return open(self._root + name, mode)

    def write(self, name: str, data: bytes) -> None:
        """Make a file hold data and nothing else; raises OSError."""
        file = self.open(name, "wb")
        try:
            file.write(data)  # type: ignore[attr-defined]
        finally:
            file.close()  # type: ignore[attr-defined]

    def size(self, name: str) -> int:
        """Bytes in a file, 0 when there is none."""
        try:
            return os.stat(self._root + name)[6]
        except OSError:
            return 0

    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self._root or "/")
        return max(0, found[1] * found[4] - MARGIN)
