"""Modbus RTU client core: one question, one answer, on a serial line.

| unit (1) | PDU | CRC-16, low byte first (2) |

Source: MODBUS over Serial Line V1.02, sections 2.2, 2.5.1 and 6.2.2.

What a serial line cannot tell, and what follows from it:

- *Where a frame begins.* RTU marks it by 3.5 characters of silence, which a USB adapter and an operating system do not
  deliver. So the length is taken from the function code and byte count, and the first byte after the request must be
  the unit that was asked: noise before the frame spoils the answer, it is never searched for one.
- *Which request an answer belongs to.* There is no sequence number. An answer that comes after its request was given
  up looks like the answer to the next request when unit, function and byte count are the same. The caller drops what
  the line holds before it asks again; an answer later than that is recognised by its byte count only.
- *Whether a frame is short or slow.* That is known only when the caller loses patience; `abandon` then tells how far
  the answer had come.
- *Who spoke.* Another unit's answer and noise look alike; the error says so.
"""

from __future__ import annotations

from .errors import LocalProtocolError, RemoteProtocolError
from .pdu import answer_length, check_request

CRC_SIZE = 2
_UNIT_SIZE = 1


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0xA001 (reflected 0x8005), start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def frame(unit: int, pdu: bytes) -> bytes:
    """The bytes on the line for `pdu` to or from `unit`."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(CRC_SIZE, "little")


class RtuClient:
    """Frames requests and recognises answers; knows no port and no clock."""

    def __init__(self) -> None:
        self._unit = 0
        self._request: bytes | None = None
        self._received = bytearray()

    def request(self, unit: int, pdu: bytes) -> bytes:
        """The bytes to send; from now on `receive` waits for the answer.

        `unit` is 1 to 247, `pdu` comes from `pdu.py`. LocalProtocolError for anything else, and while another request
        still waits: a line carries one transaction at a time.
        """
        if self._request is not None:
            raise LocalProtocolError("a request is still waiting for its answer; abandon() it first")
        if not 1 <= unit <= 247:
            raise LocalProtocolError(f"unit {unit} is out of range: 1 to 247")
        check_request(pdu)
        self._unit, self._request = unit, pdu
        self._received.clear()
        return frame(unit, pdu)

    def receive(self, data: bytes) -> bytes | None:
        """Take bytes off the line; the answer PDU when it is complete, None while it is not.

        RemoteProtocolError at the first byte that cannot belong to the answer, or when the CRC is wrong; the request
        is then over. Bytes nobody asked for, before a request or after an answer, are dropped. Cutting the data into
        other pieces changes nothing, because every byte is judged alone.
        """
        answer = None
        for byte in data:
            if self._request is None:
                break
            try:
                answer = self._take(self._request, byte)
            except RemoteProtocolError:
                self._request = None
                raise
        return answer

    def abandon(self) -> bytes:
        """Give up the request that waits, if any; returns what had come of its answer."""
        self._request = None
        return bytes(self._received)

    def _take(self, request: bytes, byte: int) -> bytes | None:
        self._received.append(byte)
        if self._received[0] != self._unit:
            raise RemoteProtocolError(
                f"the answer begins with 0x{byte:02x} instead of unit {self._unit}: "
                "another unit answered, or there was noise before the frame"
            )
        length = answer_length(request, bytes(self._received[_UNIT_SIZE:]))
        if length is None or len(self._received) < _UNIT_SIZE + length + CRC_SIZE:
            return None
        body, crc = bytes(self._received[:-CRC_SIZE]), int.from_bytes(self._received[-CRC_SIZE:], "little")
        if crc != crc16(body):
            raise RemoteProtocolError(
                f"CRC of the answer is 0x{crc:04x}, its {len(body)} bytes give 0x{crc16(body):04x}: damaged on the line"
            )
        self._request = None
        return body[_UNIT_SIZE:]
