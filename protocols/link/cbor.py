"""The small part of CBOR (RFC 8949) that the link needs: arrays, integers, byte and text strings, booleans.

No maps, because MicroPython's dicts are unordered; no floats, because the kernel has none. Lengths are definite and minimal.
"""

MAX_DEPTH = 4


class CborError(ValueError):
    """The bytes are not in this subset of CBOR; the text says which byte and why."""


def encode(value: object) -> bytearray:
    """CBOR bytes of a list, tuple, int, bool, bytes or str; raises CborError for anything else."""
    out = bytearray()
    _put(out, value, 0)
    return out


def _put(out: bytearray, value: object, depth: int) -> None:
    if value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _head(out, 0x00, value)
        else:
            _head(out, 0x20, -1 - value)
    elif isinstance(value, (bytes, bytearray)):
        _head(out, 0x40, len(value))
        out.extend(value)
    elif isinstance(value, str):
        data = value.encode()
        _head(out, 0x60, len(data))
        out.extend(data)
    elif isinstance(value, (list, tuple)):
        if depth >= MAX_DEPTH:
            raise CborError("arrays nest deeper than " + str(MAX_DEPTH))
        _head(out, 0x80, len(value))
        for item in value:
            _put(out, item, depth + 1)
    else:
        raise CborError("type not in the link's CBOR subset")


def _head(out: bytearray, major: int, value: int) -> None:
    if value < 24:
        out.append(major | value)
    elif value < 0x100:
        out.append(major | 24)
        out.append(value)
    elif value < 0x10000:
        out.append(major | 25)
        out.extend(value.to_bytes(2, "big"))
    elif value < 0x100000000:
        out.append(major | 26)
        out.extend(value.to_bytes(4, "big"))
    else:
        raise CborError("integer does not fit into 32 bits")


def decode(data: "bytes | bytearray") -> object:
    """The one value in data; raises CborError when data is anything but exactly one value of the subset."""
    value, at = _get(data, 0, 0)
    if at != len(data):
        raise CborError("bytes left over from " + str(at))
    return value


def _get(data: "bytes | bytearray", at: int, depth: int) -> "tuple[object, int]":
    if at >= len(data):
        raise CborError("ends too early at byte " + str(at))
    first = data[at]
    if first == 0xF5:
        return True, at + 1
    if first == 0xF4:
        return False, at + 1
    major = first & 0xE0
    value, at = _number(data, at)
    if major == 0x00:
        return value, at
    if major == 0x20:
        return -1 - value, at
    if major in (0x40, 0x60):
        end = at + value
        if end > len(data):
            raise CborError("string ends too early at byte " + str(at))
        if major == 0x40:
            return bytes(data[at:end]), end
        return _text(bytes(data[at:end]), at), end
    if major == 0x80:
        if depth >= MAX_DEPTH or value > len(data) - at:
            raise CborError("array too deep or too long at byte " + str(at))
        items = []
        for _ in range(value):
            item, at = _get(data, at, depth + 1)
            items.append(item)
        return items, at
    raise CborError("type not in the link's CBOR subset at byte " + str(at))


def _text(raw: bytes, at: int) -> str:
    try:
        return raw.decode()
    except (UnicodeError, ValueError):
        raise CborError("text is not UTF-8 at byte " + str(at))  # noqa: B904 - MicroPython has no "from"


def _number(data: "bytes | bytearray", at: int) -> "tuple[int, int]":
    info = data[at] & 0x1F
    at += 1
    if info < 24:
        return info, at
    size = {24: 1, 25: 2, 26: 4}.get(info, 0)
    if size == 0 or at + size > len(data):
        raise CborError("length not supported or cut off at byte " + str(at))
    value = 0
    for byte in data[at : at + size]:
        value = value << 8 | byte
    if value < {1: 24, 2: 0x100, 4: 0x10000}[size]:
        raise CborError("number not in its shortest form at byte " + str(at))
    return value, at + size
