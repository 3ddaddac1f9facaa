"""Modbus TCP client core: the MBAP header and its transaction ids.

| transaction id (2) | protocol id = 0 (2) | length of the rest (2) | unit (1) | PDU |

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3. Unlike a serial line, TCP tells which
request an answer belongs to: late answers to requests that were given up are recognised by their id and dropped.
"""

from __future__ import annotations

import struct

from .errors import LocalProtocolError, RemoteProtocolError
from .pdu import answer_length, check_request

_HEADER = struct.Struct(">HHHB")
_LENGTH_ENDS_AT = 6
"""Bytes of the header that the length field does not count."""
_LENGTH_MIN, _LENGTH_MAX = 2, 254
"""Unit and one byte of PDU; unit and the largest PDU of 253 bytes."""


class TcpClient:
    """Frames requests and recognises answers on one connection; a new connection takes a new object."""

    def __init__(self) -> None:
        self._transaction = 0
        self._unit = 0
        self._request: bytes | None = None
        self._received = bytearray()
        self.dropped = 0
        """Answers dropped because nobody waited for their transaction id any more."""

    def request(self, unit: int, pdu: bytes) -> bytes:
        """The bytes to send; from now on `receive` waits for the answer.

        `unit` is 0 to 255 (gateways use 0 and 255 for themselves), `pdu` comes from `pdu.py`. LocalProtocolError for
        anything else, and while another request still waits.
        """
        if self._request is not None:
            raise LocalProtocolError("a request is still waiting for its answer; abandon() it first")
        if not 0 <= unit <= 255:
            raise LocalProtocolError(f"unit {unit} is out of range: 0 to 255")
        check_request(pdu)
        self._transaction = self._transaction % 0xFFFF + 1
        self._unit, self._request = unit, pdu
        return _HEADER.pack(self._transaction, 0, 1 + len(pdu), unit) + pdu

    def receive(self, data: bytes) -> bytes | None:
        """Take bytes off the connection; the answer PDU when it is complete, None while it is not.

        RemoteProtocolError when the header is no Modbus header (the connection is then out of step and must be closed)
        or when the answer with our transaction id does not fit the request. Data after an answer waits for the next call.
        """
        self._received += data
        while (adu := self._next_adu()) is not None:
            transaction, _, _, unit = _HEADER.unpack_from(adu)
            if self._request is None or transaction != self._transaction:
                self.dropped += 1
                continue
            request, self._request = self._request, None
            pdu = adu[_HEADER.size :]
            if unit != self._unit:
                raise RemoteProtocolError(f"unit {unit} answered, unit {self._unit} was asked")
            if answer_length(request, pdu) != len(pdu):
                raise RemoteProtocolError(
                    f"the answer PDU ({pdu.hex(' ')}) and the header's length do not fit together"
                )
            return pdu
        return None

    def abandon(self) -> bytes:
        """Give up the request that waits, if any; returns the incomplete message that had come by now."""
        self._request = None
        return bytes(self._received)

    def _next_adu(self) -> bytes | None:
        """Cut one whole message off what was received."""
        if len(self._received) < _LENGTH_ENDS_AT:
            return None
        _, protocol, length = struct.unpack_from(">HHH", self._received)
        if protocol != 0:
            raise RemoteProtocolError(
                f"protocol id {protocol} in the header, Modbus is 0: this is no Modbus TCP server"
            )
        if not _LENGTH_MIN <= length <= _LENGTH_MAX:
            raise RemoteProtocolError(f"length {length} in the header is out of range: {_LENGTH_MIN} to {_LENGTH_MAX}")
        end = _LENGTH_ENDS_AT + length
        if len(self._received) < end:
            return None
        adu = bytes(self._received[:end])
        del self._received[:end]
        return adu
