"""What the load box is asked over the link, for both sides: codes, relay bits, and how data is packed. MicroPython subset.

    code             number              data                    RESULT
    40 SET_RELAYS    mask of the bits    nothing, or silences    OK, number: the mask; all relays change at the same instant
    41 SET_PP        ohms, 0: open       -                       OK, number: the ohms
    42 MEASURE       0 or NOW            -                       OK, data: a measurement
    43 SCRIPT        0                   steps                   OK, number: how many steps are loaded
    44 SCRIPT_START  0                   nothing, or silences    OK, number: length in ms; the first step is taken in the same tick
    45 SCRIPT_STOP   0                   -                       OK, number: steps that were left; the relays stay as they are

`silences` is how often silence has opened the relays, as the host knows it, two bytes, most significant first: with another count
the box refuses, because the host believes in relays that are open by now. Refusals come as REFUSED (not now) or BAD (never), with
the reason in words. A step is three bytes: mask, then milliseconds, two bytes, most significant first. A measurement is a CBOR
array of integers in the order of MEASUREMENT.
"""

from pilotwire.protocols.link import cbor

SET_RELAYS = 40
SET_PP = 41
MEASURE = 42
SCRIPT = 43
SCRIPT_START = 44
SCRIPT_STOP = 45

# Relays, as bits of a mask. 0 is what a box without power is: nothing plugged in.
PLUG = 1  # joins the wire to the car's side
RB = 2  # 2740 ohms behind the diode: state B
RC = 4  # 1300 ohms beside it: state C
RD = 8  # 270 ohms beside it: state D
NO_DIODE = 16  # bridges the diode
SHORT = 32  # ties the wire to PE, in front of PLUG
ALL_RELAYS = 63

PP_OHM = (0, 1500, 680, 220, 100)  # 0: nothing connected

NOW = 1  # number of MEASURE: do not wait until the relays have come to rest
MEASUREMENT = (
    "high_mv",
    "low_mv",
    "duty_permyriad",
    "frequency_mhz",  # millihertz; 0: no edges
    "relays",
    "pp_ohm",
    "steps_left",
    "silences",
)

STEP_SIZE = 3
STEPS_MAX = 64  # what fits into one command
STEP_MS_MIN = 5  # a tick: nothing shorter can be played
STEP_MS_MAX = 60000


def why_no_mask(mask: int) -> str:
    """Why this is no mask of relays; empty when it is one."""
    if 0 <= mask <= ALL_RELAYS:
        return ""
    return f"relay mask {mask} has bits that are no relay; a mask is 0..{ALL_RELAYS}"


def pack_steps(steps: "list[tuple[int, int]]") -> bytes:
    """Data of SCRIPT for (mask, ms) pairs; ValueError with the reason when the box would not take it."""
    if not 1 <= len(steps) <= STEPS_MAX:
        raise ValueError(f"a script of {len(steps)} steps; it has 1..{STEPS_MAX}")
    data = bytearray()
    for place in range(len(steps)):
        mask, ms = steps[place]
        reason = why_no_mask(mask) or _why_no_time(ms)
        if reason:
            raise ValueError(f"step {place}: {reason}")
        data.append(mask)
        data.append(ms >> 8)
        data.append(ms & 255)
    return bytes(data)


def unpack_steps(data: bytes) -> "list[tuple[int, int]]":
    """The inverse; ValueError with the reason."""
    if len(data) % STEP_SIZE:
        raise ValueError(f"a script of {len(data)} bytes; each step has {STEP_SIZE}")
    steps = [(data[at], data[at + 1] << 8 | data[at + 2]) for at in range(0, len(data), STEP_SIZE)]
    pack_steps(steps)  # the same rules
    return steps


def pack_measurement(values: "list[int]") -> bytes:
    """RESULT's data for values in the order of MEASUREMENT."""
    return bytes(cbor.encode(values))


def unpack_measurement(data: bytes) -> "list[int]":
    """The inverse; ValueError when it is no measurement (CborError is one)."""
    values = cbor.decode(data)
    if not isinstance(values, list) or len(values) != len(MEASUREMENT):
        raise ValueError(f"a measurement is an array of {len(MEASUREMENT)} integers")
    for value in values:
        if not isinstance(value, int):
            raise ValueError("a measurement has integers only")
    return values


def _why_no_time(ms: int) -> str:
    if STEP_MS_MIN <= ms <= STEP_MS_MAX:
        return ""
    return f"{ms} ms; a step takes {STEP_MS_MIN}..{STEP_MS_MAX}"
