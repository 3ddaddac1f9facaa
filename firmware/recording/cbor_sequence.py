"""CBOR (RFC 8949) as far as recordings need it, one item after the other (RFC 8742): the link's own subset has no floats and texts.

None, bool, int of 64 bits, float (always 64 bits), bytes, str, list, tuple (tag TUPLE on an array) and Named (tag OBJECT on an
array of a name and fields). Encoding is deterministic: equal items give equal bytes, so effects can be compared byte by byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

TUPLE = 40_000  # private use: an array that was a tuple
OBJECT = 27  # registered with IANA as "serialised object": its name, then its fields
DEEPEST = 50


class Named(NamedTuple):
    """An object of a known class as its name and its fields, in an order that both sides know."""

    name: str
    fields: tuple[Any, ...]


class TruncatedError(ValueError):
    """The data end in the middle of an item, as after a power cut; `at` is where that item begins."""

    def __init__(self, at: int) -> None:
        super().__init__(f"the data end in the middle of the item that begins at byte {at}")
        self.at = at


class MalformedError(ValueError):
    """The data are no CBOR of this kind; the text says where."""


def encode(item: Any) -> bytes:
    """One item; raises TypeError for what cannot be said, OverflowError for integers beyond 64 bits."""
    out = bytearray()
    _put(out, item)
    return bytes(out)


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
    elif number < 1 << 8:
        out += bytes((major << 5 | 24, number))
    elif number < 1 << 16:
        out += struct.pack(">BH", major << 5 | 25, number)
    elif number < 1 << 32:
        out += struct.pack(">BI", major << 5 | 26, number)
    elif number < 1 << 64:
        out += struct.pack(">BQ", major << 5 | 27, number)
    else:
        raise OverflowError(f"{number} does not fit into 64 bits")


def _put(out: bytearray, item: Any) -> None:
    kind = type(item)
    if kind is int:
        _head(out, 0 if item >= 0 else 1, item if item >= 0 else -1 - item)
    elif kind is str:
        data = item.encode("utf-8", "surrogatepass")
        _head(out, 3, len(data))
        out += data
    elif kind is bool or item is None:
        out.append(0xF6 if item is None else 0xF5 if item else 0xF4)
    elif kind is float:
        out += struct.pack(">Bd", 0xFB, item)
    elif kind is bytes:
        _head(out, 2, len(item))
        out += item
    elif kind is list:
        _put_array(out, item)
    elif kind is tuple:
        _head(out, 6, TUPLE)
        _put_array(out, item)
    elif kind is Named:
        _head(out, 6, OBJECT)
        _put_array(out, (item.name, *item.fields))
    else:
        raise TypeError(f"{kind.__name__} has no place in a recording: {item!r}")


def _put_array(out: bytearray, items: Any) -> None:
    _head(out, 4, len(items))
    for each in items:
        _put(out, each)


def read(data: bytes) -> Iterator[tuple[int, Any]]:
    """Each item with the place where it begins; raises TruncatedError at an unfinished last one, else MalformedError."""
    at = 0
    while at < len(data):
        begun = at
        try:
            item, at = _get(data, at, 0)
        except (IndexError, struct.error):
            raise TruncatedError(begun) from None
        yield begun, item


def _get(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise MalformedError(f"nested more than {DEEPEST} deep at byte {at}")
    first = data[at]
    major, low = first >> 5, first & 31
    if major == 7:
        return _simple(data, at, first)
    if low < 24:
        number, at = low, at + 1
    elif low <= 27:
        size = 1 << (low - 24)
        if at + 1 + size > len(data):
            raise IndexError
        number, at = int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
    else:
        raise MalformedError(f"lengths that are not known beforehand are not used here (byte {at})")
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in {2, 3}:
        if at + number > len(data):
            raise IndexError
        raw = data[at : at + number]
        if major == 2:
            return raw, at + number
        try:
            return raw.decode("utf-8", "surrogatepass"), at + number
        except UnicodeDecodeError:
            raise MalformedError(f"a text that is not UTF-8 at byte {at}") from None
    if major == 4:
        return _array(data, at, number, depth)
    if major == 6 and number in {TUPLE, OBJECT}:
        begun = at
        item, at = _get(data, at, depth + 1)
        if not isinstance(item, list):
            raise MalformedError(f"tag {number} stands before something that is no array (byte {begun})")
        if number == TUPLE:
            return tuple(item), at
        if not item or not isinstance(item[0], str):
            raise MalformedError(f"an object without a name at byte {begun}")
        return Named(item[0], tuple(item[1:])), at
    raise MalformedError(f"an item of a kind that is not used here (first byte {first:#04x}) at byte {at}")


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _get(data, at, depth + 1)
        items.append(item)
    return items, at


def _simple(data: bytes, at: int, first: int) -> tuple[Any, int]:
    if first == 0xFB:
        (number,) = struct.unpack_from(">d", data, at + 1)
        return number, at + 9
    if first in {0xF4, 0xF5, 0xF6}:
        return {0xF4: False, 0xF5: True, 0xF6: None}[first], at + 1
    raise MalformedError(f"an item of a kind that is not used here (first byte {first:#04x}) at byte {at}")
