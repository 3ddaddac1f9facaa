"""Frames: COBS( CBOR array + CRC-32, big endian ) + 0x00, over any segmentation of the byte stream."""

import binascii

from . import cbor, cobs

MAX_FRAME = 256  # bytes between two delimiters; more is noise


def encode(message: "list[object]") -> bytes:
    """Bytes on the line for one message."""
    body = cbor.encode(message)
    body.extend((binascii.crc32(body) & 0xFFFFFFFF).to_bytes(4, "big"))
    out = cobs.encode(body)
    out.append(cobs.DELIMITER)
    return bytes(out)


class FrameReader:
    """Cuts a byte stream into messages. Damaged frames are counted in `rejected` and otherwise ignored."""

    def __init__(self) -> None:
        self.rejected = 0
        self._buffer = bytearray()
        self._overlong = False

    def receive(self, data: "bytes | bytearray") -> "list[list[object]]":
        """Take bytes as they come; returns the messages that are now complete."""
        messages = []
        for byte in data:
            if byte != cobs.DELIMITER:
                if len(self._buffer) < MAX_FRAME:
                    self._buffer.append(byte)
                else:
                    self._overlong = True
                continue
            if self._buffer:
                message = None if self._overlong else _decode(self._buffer)
                if message is None:
                    self.rejected += 1
                else:
                    messages.append(message)
            self._buffer = bytearray()
            self._overlong = False
        return messages


def _decode(frame: bytearray) -> "list[object] | None":
    body = cobs.decode(frame)
    if body is None:
        return None
    crc = 0
    for byte in body[-4:]:
        crc = crc << 8 | byte
    body = body[:-4]
    if binascii.crc32(body) & 0xFFFFFFFF != crc:
        return None
    try:
        message = cbor.decode(body)
    except cbor.CborError:
        return None
    return message if isinstance(message, list) and message else None
