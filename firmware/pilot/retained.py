"""Faults that outlive a reset of the chip: what a person or a new plug must clear is not cleared by a watchdog. MicroPython subset.

Retained memory is two words that a reset leaves alone and a loss of power does not. Where they do not fit each other nothing is
remembered, as after a loss of power.
"""

from pilotwire.firmware.kernel import faults

_MASK = (1 << 21) - 1
_TAG = 0x165 << 21  # a word of zeros, or of ones, is nobody's
_ALL = (1 << 30) - 1  # small integers on a 32-bit board


def _lasting() -> int:
    bits = 0
    for row in faults.FAULTS:
        # A fault that goes with its cause needs no memory: its cause is looked for anew. Damaged parameters neither.
        if row[4] != faults.BY_CAUSE and row[4] != faults.BY_RESTART:
            bits |= row[0]
    return bits


LASTING = _lasting()


class Retained:
    """Standing faults in two words of `memory`, an object with words[place]; `first` and `second` are their places."""

    def __init__(self, memory: "object", first: int, second: int) -> None:
        self._memory = memory
        self._first = first
        self._second = second

    def read(self) -> int:
        """The faults that stood when the program ended, 0 when nothing is remembered."""
        word: int = self._memory[self._first]  # type: ignore[index]
        check: int = self._memory[self._second]  # type: ignore[index]
        if word ^ check != _ALL or word & ~_MASK != _TAG:
            return 0
        return word & LASTING

    def write(self, standing: int) -> None:
        """Remember those of the standing faults that last."""
        word = _TAG | (standing & LASTING)
        # Between the two writes they do not fit: a reset right there forgets. The check is spoiled first, so that it never lies.
        self._memory[self._second] = word ^ _ALL  # type: ignore[index]
        self._memory[self._first] = word  # type: ignore[index]
