"""What a frame costs: time to encode and to decode it, on whichever interpreter runs this. MicroPython subset.

    python -m pilotwire.tools.bench.link.cost
    micropython -m pilotwire.tools.bench.link.cost

A line for each frame: name, bytes on the line, ns to encode, ns to decode. Decoding is all that the link does with bytes before it
looks at what a message says: cutting the stream into frames, COBS, CRC, CBOR, and the check of lengths and types. Each time is the
least of BATCHES batches, that is, the one in which the machine interrupted least.
"""

import sys
import time

from pilotwire.protocols.link import frame, messages

BATCHES = 9
LOOPS = 100
SHORT = 8
LONG = messages.DATA_MAX

_BOOT = 0x0ABCDEF1
_SESSION = 0x01234567
_MS = 0x00FEDCBA  # hours after the start: times are 4 bytes long

_STATE = [messages.STATE, 60000, 60000, _BOOT, _SESSION, _MS, 3, 3, 6000, -12000, 2666, 15996, 25, 3]
_CHARGING = [940, 0, 0x1810, 1000, 32000, 0, 10, 0]

MESSAGES = (
    ("STATE while charging", _STATE + _CHARGING),
    ("LEASE", [messages.LEASE, 60000, 60000, _BOOT, _SESSION, _MS, 1, 16000, 1000, 3, 0]),
    ("COMMAND, 8 bytes", [messages.COMMAND, 60000, 60000, _BOOT, _SESSION, 300, 1, 0, bytes(range(SHORT))]),
    ("COMMAND, 192 bytes", [messages.COMMAND, 60000, 60000, _BOOT, _SESSION, 300, 1, 0, bytes(range(LONG))]),
)


def now_ns() -> int:
    """A clock for short times."""
    if sys.implementation.name == "micropython":
        return time.ticks_us() * 1000  # type: ignore[attr-defined, no-any-return]
    return time.perf_counter_ns()


def encode(message: "list[object]") -> None:
    """LOOPS times."""
    for _ in range(LOOPS):
        frame.encode(message)


def decode(data: bytes) -> None:
    """LOOPS times; raises ValueError when the frame is not taken."""
    reader = frame.FrameReader()
    for _ in range(LOOPS):
        found = reader.receive(data)
        if len(found) != 1 or not messages.is_valid(found[0]):
            raise ValueError("a frame of the bench is not taken")


def least_ns(work: "object", argument: "object") -> int:
    """Time of one of LOOPS, in the fastest batch."""
    best = -1
    for _ in range(BATCHES):
        began = now_ns()
        work(argument)  # type: ignore[operator]
        took = (now_ns() - began) // LOOPS
        if best < 0 or took < best:
            best = took
    return best


def main() -> None:
    """All frames."""
    for name, message in MESSAGES:
        data = frame.encode(message)  # type: ignore[arg-type]
        print(name, len(data), least_ns(encode, message), least_ns(decode, data), sep="\t")


if __name__ == "__main__":
    main()
