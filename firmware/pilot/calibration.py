"""Two-point calibration of the analogue inputs: the arithmetic, the block that is stored, and the commands of the link.

A reading is corrected where it is taken, between the ADC and the scales of a front end:

    corrected = raw + raw * trim / 2**18 + offset

in codes of the ADC as 16 bits; `trim` is gain minus one with 18 binary places. Every value in between stays below 2**30 in
magnitude, and correct() allocates nothing. A block that cannot be believed is not used at all, and it is said why: without
calibration the board is less exact, with a wrong one it would be wrong.

Block: "PC", version, number of channels, length of the board's unique id (one byte each), the id, then trim and offset of each
channel (two bytes each, signed), then CRC-32 of all that; big endian.
"""

import binascii

from pilotwire.protocols.link import messages

# Channels. CP is the pilot wire; its high and low level pass the same divider and share one row.
CP = 0
PP = 1
CURRENT = 2
PLUG_TEMP = 3
BOARD_TEMP = 4

# Name, and the largest correction in codes that is believed anywhere on the scale. The front end's own worst case is smaller
# (boards/pico_serial/analogue.py computes it); what is larger is a defect or a wrong reference, not a tolerance.
CHANNELS = (
    ("cp", 983),  # 1.5 %, 0.45 V on the pilot wire: less than from any car's level to the next band
    ("pp", 983),
    ("current", 3277),  # 5 %: transformers are no better
    ("plug-temp", 983),
    ("board-temp", 983),
)

SHIFT = 18
TRIM_MAX = 13107  # 5 %
OFFSET_MAX = 1966  # 3 % of the scale
ADC_MAX = 65535

MAGIC = b"PC"
VERSION = 1
ID_MAX = 16
SAMPLES = 64  # in the mean of RAW_READ
SLICE = 16  # taken in one call of handle(), so that it is done within the slack of a tick

NONE_STORED = "no calibration is stored"

_HEAD = 5
_HALF = 1 << SHIFT - 1


class CalibrationError(ValueError):
    """A block or a pair of points that is not used; the text says what is wrong with it and what would be right."""


def corrected(u16: int, trim: int, offset: int) -> int:
    """A reading with one row applied. Both ends of the scale stay: there the reading says `broken`, not a value."""
    if u16 <= 0 or u16 >= ADC_MAX:
        return u16
    u16 += (u16 * trim + _HALF >> SHIFT) + offset
    if u16 < 0:
        return 0
    return u16 if u16 < ADC_MAX else ADC_MAX


def why_not(channel: int, trim: int, offset: int) -> str:
    """Why such a row cannot be believed; empty when it can."""
    name, most = CHANNELS[channel]
    if not -TRIM_MAX <= trim <= TRIM_MAX:
        return f"{name}: gain is {trim} / 2^{SHIFT} off, more than 5 %"
    if not -OFFSET_MAX <= offset <= OFFSET_MAX:
        return f"{name}: offset is {offset} codes, allowed are {OFFSET_MAX}"
    # A straight line is furthest from the diagonal at one of its ends.
    for at in (0, ADC_MAX):
        shift = (at * trim + _HALF >> SHIFT) + offset
        if not -most <= shift <= most:
            return f"{name}: code {at} would be moved by {shift}, allowed are {most}"
    return ""


def two_points(channel: int, low: "tuple[int, int]", high: "tuple[int, int]") -> "tuple[int, int]":
    """(trim, offset) that bring two readings to what they should be; low and high are (raw, wanted) in codes.

    Raises CalibrationError when the points are too close to each other, saturated, or further off than a tolerance can be.
    Not for the tick: its integers may be large.
    """
    name = CHANNELS[channel][0]
    for raw, wanted in (low, high):
        if not (0 < raw < ADC_MAX and 0 < wanted < ADC_MAX):
            raise CalibrationError(f"{name}: a point at the end of the scale (read {raw}, should be {wanted})")
    span = high[0] - low[0]
    if span < ADC_MAX // 10 or high[1] - low[1] < ADC_MAX // 10:
        raise CalibrationError(
            f"{name}: the points read {low[0]} and {high[0]}, should be {low[1]} and {high[1]}: "
            "they must lie at least a tenth of the scale apart, low before high"
        )
    trim = (((high[1] - low[1]) << SHIFT + 1) // span + 1 >> 1) - (1 << SHIFT)
    rest = 0
    for raw, wanted in (low, high):
        rest += wanted - raw - (raw * trim + _HALF >> SHIFT)
    offset = rest + 1 >> 1
    reason = why_not(channel, trim, offset)
    if reason:
        raise CalibrationError(reason)
    return trim, offset


def seal(unique_id: bytes, rows: "list[tuple[int, int]]") -> bytes:
    """The block for a board: its unique id and one (trim, offset) for each row of CHANNELS."""
    block = bytearray(MAGIC)
    block.extend(bytes((VERSION, len(rows), len(unique_id))))
    block.extend(unique_id)
    for trim, offset in rows:
        block.extend((trim & 0xFFFF).to_bytes(2, "big"))
        block.extend((offset & 0xFFFF).to_bytes(2, "big"))
    block.extend((binascii.crc32(block) & 0xFFFFFFFF).to_bytes(4, "big"))
    return bytes(block)


def unseal(block: bytes, unique_id: bytes) -> "list[tuple[int, int]]":
    """The rows of a block that is whole, meant for this board and plausible; raises CalibrationError with the reason."""
    if len(block) < _HEAD + 4 or block[:2] != MAGIC:
        raise CalibrationError("this is no calibration block")
    if (binascii.crc32(block[:-4]) & 0xFFFFFFFF) != int.from_bytes(block[-4:], "big"):
        raise CalibrationError("the calibration block is damaged: its CRC does not fit")
    if block[2] != VERSION:
        raise CalibrationError(f"the calibration block has version {block[2]}, this program reads {VERSION}")
    start = _HEAD + block[4]
    if block[3] != len(CHANNELS) or len(block) != start + 4 * len(CHANNELS) + 4:
        raise CalibrationError(f"the calibration block has {block[3]} channels, this program has {len(CHANNELS)}")
    if block[_HEAD:start] != unique_id:
        whose = binascii.hexlify(block[_HEAD:start]).decode()
        raise CalibrationError(f"the calibration belongs to another board: {whose}")
    rows = []
    for channel in range(len(CHANNELS)):
        place = start + 4 * channel
        trim = _signed(block[place] << 8 | block[place + 1])
        offset = _signed(block[place + 2] << 8 | block[place + 3])
        reason = why_not(channel, trim, offset)
        if reason:
            raise CalibrationError(reason)
        rows.append((trim, offset))
    return rows


def _signed(value: int) -> int:
    return value - 0x10000 if value & 0x8000 else value


class Calibration:
    """The rows in use. Without a usable block nothing is corrected, and `reason` says why (empty: there is one)."""

    def __init__(self, unique_id: bytes) -> None:
        self.unique_id = unique_id[:ID_MAX]
        self.reason = NONE_STORED
        self._trim = [0] * len(CHANNELS)
        self._offset = [0] * len(CHANNELS)

    def use(self, block: bytes) -> None:
        """Take a block from now on; raises CalibrationError, and what was in use stays."""
        rows = unseal(block, self.unique_id)
        for channel in range(len(CHANNELS)):
            self._trim[channel], self._offset[channel] = rows[channel]
        self.reason = ""

    def correct(self, channel: int, u16: int) -> int:
        """A reading of the ADC as it would be if divider, reference and ADC had no tolerances."""
        return corrected(u16, self._trim[channel], self._offset[channel])


class CalibrationService:
    """Commands 10..12 of the link, for Pilot's `services`.

    `read_u16(channel)` returns one raw, uncorrected reading; `idle()` says whether the pilot is in state A with the
    contactor proven open. `store` has load() and save(block) (calibration_store.py); what it holds is used from the start
    if it can be believed. A board that calls tick() once in each tick gets a mean over more time than handle() alone takes.
    """

    def __init__(self, calibration: Calibration, store: "object", read_u16: "object", idle: "object") -> None:
        self._calibration = calibration
        self._store = store
        self._read_u16 = read_u16
        self._idle = idle
        self._channel = -1  # of the RAW_READ under way
        self._taken = 0
        self._total = 0
        self._block = b""
        block = store.load()  # type: ignore[attr-defined]
        if block:
            self._begin_with(block)
        elif store.reason:  # type: ignore[attr-defined]
            calibration.reason = store.reason  # type: ignore[attr-defined]

    def tick(self) -> None:
        """Take one sample, if there is a RAW_READ that wants it."""
        if self._channel >= 0 and self._taken < SAMPLES:
            self._total += self._read_u16(self._channel)  # type: ignore[operator]
            self._taken += 1

    def handle(self, code: int, number: int, data: bytes) -> "tuple[int, int, bytes] | None":
        """Do a COMMAND; None when it is not ours."""
        if code == messages.RAW_READ:
            return self._raw_read(number)
        if code == messages.CALIBRATION_READ:
            return self._read()
        if code == messages.CALIBRATION_WRITE:
            return self._write(data)
        return None

    def _begin_with(self, block: bytes) -> None:
        try:
            self._calibration.use(block)
            self._block = block
        except CalibrationError as error:
            self._calibration.reason = str(error)

    def _raw_read(self, channel: int) -> "tuple[int, int, bytes]":
        if not 0 <= channel < len(CHANNELS):
            return messages.BAD, 0, f"there is no channel {channel}, they are 0..{len(CHANNELS) - 1}".encode()
        if channel != self._channel:
            self._channel = channel
            self._taken = 0
            self._total = 0
        for _ in range(SLICE):
            self.tick()
        if self._taken < SAMPLES:
            return messages.BUSY, 0, b""
        self._channel = -1
        return messages.OK, (self._total + SAMPLES // 2) // SAMPLES, b""

    def _read(self) -> "tuple[int, int, bytes]":
        if self._block:
            return messages.OK, 1, self._block
        if self._calibration.reason == NONE_STORED:
            return messages.OK, 0, b""
        return messages.REFUSED, 0, self._calibration.reason.encode()

    def _write(self, block: bytes) -> "tuple[int, int, bytes]":
        if not self._idle():  # type: ignore[operator]
            return messages.REFUSED, 0, b"not now: the pilot must be in state A with the contactor proven open"
        try:
            unseal(block, self._calibration.unique_id)
        except CalibrationError as error:
            return messages.BAD, 0, str(error).encode()
        try:
            self._store.save(block)  # type: ignore[attr-defined]
            if self._store.load() != block:  # type: ignore[attr-defined]
                raise OSError("it does not come back as it was written")
        except OSError as error:
            return messages.REFUSED, 0, f"the calibration cannot be stored: {error}".encode()[: messages.DATA_MAX]
        # In use only when it is also what the next start will find.
        self._calibration.use(block)
        self._block = block
        return messages.OK, 0, b""
