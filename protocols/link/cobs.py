"""Consistent overhead byte stuffing: a zero byte ends a frame and never occurs inside one (Cheshire and Baker, 1999)."""

DELIMITER = 0


def encode(data: "bytes | bytearray") -> bytearray:
    """Stuffed form of data, without the closing delimiter."""
    out = bytearray(1)
    code_at = 0
    code = 1
    for byte in data:
        if byte:
            out.append(byte)
            code += 1
        if not byte or code == 255:
            out[code_at] = code
            code_at = len(out)
            out.append(0)
            code = 1
    out[code_at] = code
    return out


def decode(data: "bytes | bytearray") -> "bytearray | None":
    """Original of a stuffed frame without its delimiter; None when the frame cannot have been made by encode."""
    out = bytearray()
    at = 0
    size = len(data)
    while at < size:
        code = data[at]
        if code == 0 or at + code > size:
            return None
        for byte in data[at + 1 : at + code]:
            if byte == 0:
                return None
            out.append(byte)
        at += code
        if code < 255 and at < size:
            out.append(0)
    return out
