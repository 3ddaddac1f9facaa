"""Verification of Ed25519 signatures (RFC 8032, section 5.1), nothing else: a pilot signs nothing and keeps no secret.

Strict: key and signature have one spelling each. S below the group's order, coordinates below the field's prime, no negative zero,
no point of small order as key or as R; the equation is the one without the cofactor, S*B = R + k*A. Integers of up to 510 bits,
time depends on the data (all of which is public); takes seconds on a microcontroller, so never in the tick path.

The curve is -x*x + y*y = 1 + d*x*x*y*y modulo p. Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z, and the formulas for
them are complete: they hold for every pair of points (Hisil, Wong, Carter and Dawson, 2008).
"""

from .sha512 import sha512

_P = (1 << 255) - 19
_ORDER = (1 << 252) + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_IDENTITY = (0, 1, 1, 0)


def verify(public_key: bytes, message: "bytes | bytearray", signature: bytes) -> bool:
    """True when signature (64 bytes) over message was made with the private half of public_key (32 bytes)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    r_bytes = bytes(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    key = _decode(public_key)
    if key is None or s >= _ORDER or _is_small(key):
        return False
    k = int.from_bytes(sha512(r_bytes + public_key + bytes(message)), "little") % _ORDER
    r = _sum_of_multiples(s, _base(), k, _negative(key))
    # Spelt out and compared as bytes, so that another spelling of the same R is refused as well.
    return _encode(r) == r_bytes and not _is_small(r)


def _base() -> "tuple[int, int, int, int]":
    """The point with y = 4/5 and even x."""
    point = _decode((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))
    assert point is not None
    return point


def _decode(data: bytes) -> "tuple[int, int, int, int] | None":
    """The point that 32 bytes spell: y, and in the highest bit whether x is odd. None when it is no point, or spelt otherwise."""
    y = int.from_bytes(data, "little")
    odd = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    # x*x = u/v. p is 5 modulo 8: this power is a root of it, or of its negative, or there is none.
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    cube = v * v * v % _P
    x = u * cube * pow(u * cube * cube * v % _P, (_P - 5) // 8, _P) % _P
    square = v * x * x % _P
    if square != u:
        if square != (_P - u) % _P:
            return None
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if x == 0 and odd:
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode(point: "tuple[int, int, int, int]") -> bytes:
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _negative(point: "tuple[int, int, int, int]") -> "tuple[int, int, int, int]":
    x, y, z, t = point
    return _P - x, y, z, _P - t


def _add(one: "tuple[int, int, int, int]", other: "tuple[int, int, int, int]") -> "tuple[int, int, int, int]":
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * _D % _P * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: "tuple[int, int, int, int]") -> "tuple[int, int, int, int]":
    x, y, z, _ = point
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _sum_of_multiples(
    s: int, one: "tuple[int, int, int, int]", k: int, other: "tuple[int, int, int, int]"
) -> "tuple[int, int, int, int]":
    """s * one + k * other, both factors bit by bit together, so that they share the doublings."""
    both = _add(one, other)
    total = _IDENTITY
    for bit in range(255, -1, -1):
        total = _double(total)
        which = (s >> bit & 1) | (k >> bit & 1) << 1
        if which == 1:
            total = _add(total, one)
        elif which == 2:
            total = _add(total, other)
        elif which == 3:
            total = _add(total, both)
    return total


def _is_small(point: "tuple[int, int, int, int]") -> bool:
    """True when 8 * point is the identity: such a point fits many messages at once."""
    x, y, z, _ = _double(_double(_double(point)))
    return x == 0 and y == z
