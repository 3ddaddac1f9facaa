"""Where standing faults outlive the pilot process: two words in a file beside its lock, on a file system that power takes along."""

from __future__ import annotations

import os
from pathlib import Path

from pilotwire.firmware.pilot.retained import Retained

_WORD = 4


class FileWords:
    """Words of 32 bits in a file, as retained.py wants them. Raises OSError; a file that is too short reads as zeros."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __getitem__(self, place: int) -> int:
        return int.from_bytes(os.pread(self._descriptor, _WORD, _WORD * place), "little")

    def __setitem__(self, place: int, word: int) -> None:
        os.pwrite(self._descriptor, word.to_bytes(_WORD, "little"), _WORD * place)

    def close(self) -> None:
        """Give the descriptor back; what was written stays."""
        os.close(self._descriptor)


def beside(lock_file: Path) -> Path:
    """The file for a pilot with this lock file, which the standard example keeps in /run."""
    return lock_file.with_name(lock_file.name + ".faults")


def retained(words: FileWords) -> Retained:
    """The memory in these words."""
    return Retained(words, 0, 1)
