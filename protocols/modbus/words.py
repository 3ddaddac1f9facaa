"""Numbers out of registers: how wide they are and which word comes first.

Modbus defines 16-bit registers only. Wider numbers are a habit of each manufacturer: `high_first` means the most
significant word has the lowest address (most energy meters), `low_first` the opposite. Bytes in a word are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

KINDS = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f"}
"""Kind of number to its big-endian layout."""


def width(kind: str) -> int:
    """How many registers a number of this kind fills; KeyError for an unknown kind."""
    return struct.calcsize(KINDS[kind]) // 2


def decode(kind: str, registers: Sequence[int], word_order: str = "high_first") -> int | float:
    """The number in `registers`, each 0 to 65535; an f32 may be NaN or infinite, the caller judges that.

    ValueError when the number of registers does not fit `kind` or `word_order` is unknown.
    """
    if len(registers) != width(kind):
        raise ValueError(f"{kind} takes {width(kind)} registers, got {len(registers)}")
    if word_order not in ("high_first", "low_first"):
        raise ValueError(f"word order {word_order!r}: only high_first and low_first exist")
    ordered = registers if word_order == "high_first" else tuple(reversed(registers))
    value: int | float = struct.unpack(KINDS[kind], struct.pack(f">{len(ordered)}H", *ordered))[0]
    return value
