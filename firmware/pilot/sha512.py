"""SHA-512 (FIPS 180-4), which MicroPython's hashlib lacks; for signatures over a few kilobytes, outside the tick path.

Nothing of it is a table: the round constants are by definition the first 64 bits behind the point of the cube roots of the first 80
primes, the initial state those of the square roots of the first 8. They are computed when first needed and kept. Uses integers of
more than 30 bits throughout, which MicroPython allocates.
"""

_MASK = (1 << 64) - 1
_BLOCK = 128
_constants: "list[list[int]]" = []


def sha512(data: "bytes | bytearray") -> bytes:
    """The 64-byte digest of data."""
    if not _constants:
        primes = _primes(80)
        _constants.append([_root(prime << 192, 3) & _MASK for prime in primes])
        _constants.append([_root(prime << 128, 2) & _MASK for prime in primes[:8]])
    state = list(_constants[1])
    whole = len(data) - len(data) % _BLOCK
    for at in range(0, whole, _BLOCK):
        _compress(state, data[at : at + _BLOCK])
    # What is left, a one bit, zeros, and the length in bits as 16 bytes: one block or two.
    rest = bytearray(data[whole:])
    rest.append(0x80)
    while len(rest) % _BLOCK != _BLOCK - 16:
        rest.append(0)
    rest.extend((len(data) * 8).to_bytes(16, "big"))
    for at in range(0, len(rest), _BLOCK):
        _compress(state, rest[at : at + _BLOCK])
    return b"".join([word.to_bytes(8, "big") for word in state])


def _compress(state: "list[int]", block: "bytes | bytearray") -> None:
    mask = _MASK
    schedule = [int.from_bytes(block[at : at + 8], "big") for at in range(0, _BLOCK, 8)]
    for at in range(16, 80):
        early = schedule[at - 15]
        late = schedule[at - 2]
        # A word doubled to 128 bits turns a rotation into a shift.
        early2 = early << 64 | early
        late2 = late << 64 | late
        spread = (early2 >> 1 ^ early2 >> 8 ^ early >> 7) + (late2 >> 19 ^ late2 >> 61 ^ late >> 6)
        schedule.append(spread + schedule[at - 16] + schedule[at - 7] & mask)
        schedule[at] &= mask
    a, b, c, d, e, f, g, h = state
    constants = _constants[0]
    for at in range(80):
        e2 = e << 64 | e
        first = h + ((e2 >> 14 ^ e2 >> 18 ^ e2 >> 41) & mask) + (g ^ e & (f ^ g)) + constants[at] + schedule[at]
        a2 = a << 64 | a
        second = ((a2 >> 28 ^ a2 >> 34 ^ a2 >> 39) & mask) + (a & b | c & (a | b))
        a, b, c, d, e, f, g, h = first + second & mask, a, b, c, d + first & mask, e, f, g
    for place, word in enumerate((a, b, c, d, e, f, g, h)):
        state[place] = state[place] + word & mask


def _primes(count: int) -> "list[int]":
    found: "list[int]" = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root(value: int, degree: int) -> int:
    """The largest integer whose power of this degree is not above value; Newton's method from above, which only falls."""
    guess = 1 << 68  # above the roots asked for here: 409 * 2**192 is less than 2**201
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better
