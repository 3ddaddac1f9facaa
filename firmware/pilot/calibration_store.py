"""Where the calibration block lives: two files that are written in turn.

A file is a generation (4 bytes), the block, and CRC-32 of both; big endian. The newer whole one counts. A save goes to the other
one, so a power cut at any byte of it leaves what was stored before. That needs nothing of the file system: no atomic rename, which
a FAT volume does not have. Not for the tick: writing flash takes tens of milliseconds, longer than the charge pump holds.
"""

import binascii
import os

_PERIOD = 1 << 28  # generations count modulo this
_LARGEST = 256  # bytes of a file; what is longer is none of ours


class FileStore:
    """Two files `path`.0 and `path`.1. `reason` says after load() why there is no block although there are files."""

    def __init__(self, path: str) -> None:
        self.reason = ""
        self._paths = (path + ".0", path + ".1")
        self._slot = 1  # the one that counts
        self._generation = 0

    def load(self) -> bytes:
        """The stored block; empty when there is none."""
        found = b""
        damaged = 0
        for slot in (0, 1):
            raw = _read(self._paths[slot])
            if not raw:
                continue
            if not _is_whole(raw):
                damaged += 1
                continue
            generation = int.from_bytes(raw[:4], "big") % _PERIOD
            if not found or 0 < (generation - self._generation) % _PERIOD < _PERIOD // 2:
                found = raw[4:-4]
                self._slot = slot
                self._generation = generation
        self.reason = "the stored calibration is damaged" if damaged and not found else ""
        return found

    def save(self, block: bytes) -> None:
        """Store a block beside the one before and read it back; raises OSError, and the one before still counts."""
        slot = 1 - self._slot
        generation = (self._generation + 1) % _PERIOD
        raw = generation.to_bytes(4, "big") + block
        raw += (binascii.crc32(raw) & 0xFFFFFFFF).to_bytes(4, "big")
        with open(self._paths[slot], "wb") as file:
            file.write(raw)
            file.flush()
            if hasattr(os, "fsync"):  # a microcontroller's file system writes when the file is closed
                os.fsync(file.fileno())
        if _read(self._paths[slot]) != raw:
            raise OSError(f"{self._paths[slot]} does not read back as it was written")
        self._slot = slot
        self._generation = generation
        self.reason = ""


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST + 1)
    except OSError:
        return b""


def _is_whole(raw: bytes) -> bool:
    if not 8 < len(raw) <= _LARGEST:
        return False
    return (binascii.crc32(raw[:-4]) & 0xFFFFFFFF) == int.from_bytes(raw[-4:], "big")
