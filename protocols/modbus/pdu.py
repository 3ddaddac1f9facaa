"""Protocol data units: reading holding registers (function 3) and input registers (function 4).

A PDU is the part of a Modbus message that is the same on a serial line and on TCP: function code and data.
Source: MODBUS Application Protocol Specification V1.1b3, sections 6.3, 6.4 and 7. All integers are big-endian.

| request   | function, address (2), count (2)            |
| answer    | function, byte count = 2 * count, registers |
| exception | function + 0x80, exception code             |
"""

from __future__ import annotations

import struct

from .errors import ExceptionResponseError, LocalProtocolError, RemoteProtocolError

READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
READ_FUNCTIONS = (READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)

MAX_REGISTERS = 125
"""Most registers one request may ask for (V1.1b3 6.3)."""

_REQUEST = struct.Struct(">BHH")
_EXCEPTION_BIT = 0x80


def read_holding_registers(address: int, count: int) -> bytes:
    """Request PDU for `count` holding registers from the zero-based `address` on; LocalProtocolError when out of range."""
    return _read(READ_HOLDING_REGISTERS, address, count)


def read_input_registers(address: int, count: int) -> bytes:
    """Request PDU for `count` input registers from the zero-based `address` on; LocalProtocolError when out of range."""
    return _read(READ_INPUT_REGISTERS, address, count)


def _read(function: int, address: int, count: int) -> bytes:
    if not 1 <= count <= MAX_REGISTERS:
        raise LocalProtocolError(f"count {count} is out of range: 1 to {MAX_REGISTERS} registers fit one request")
    if not 0 <= address <= 0x10000 - count:
        raise LocalProtocolError(f"address {address} with count {count} leaves the register range 0 to 65535")
    return _REQUEST.pack(function, address, count)


def check_request(request: bytes) -> None:
    """LocalProtocolError unless `request` is a PDU made by this module."""
    if len(request) != _REQUEST.size or request[0] not in READ_FUNCTIONS:
        raise LocalProtocolError(f"not a read request of function 3 or 4: {request.hex(' ') or 'empty'}")


def answer_length(request: bytes, head: bytes) -> int | None:
    """Length in bytes of the whole answer PDU, or None while its first bytes `head` do not tell yet.

    Checks what `head` already shows, so that a wrong answer is refused at its first wrong byte: RemoteProtocolError
    for a function code that was not asked for and for a byte count that does not fit the request.
    """
    function, _, count = _REQUEST.unpack(request)
    if not head:
        return None
    if head[0] == function | _EXCEPTION_BIT:
        return 2
    if head[0] != function:
        raise RemoteProtocolError(
            f"function code {head[0]} came back, function {function} was asked for (noise, or somebody else's answer)"
        )
    if len(head) < 2:
        return None
    if head[1] != 2 * count:
        raise RemoteProtocolError(
            f"byte count {head[1]} came back, {2 * count} was expected for {count} registers "
            "(a late answer to another request, or an adapter that echoes what it sends)"
        )
    return 2 + head[1]


def parse_registers(request: bytes, answer: bytes) -> tuple[int, ...]:
    """Register values 0 to 65535 out of the answer PDU to `request`.

    ExceptionResponseError when the device refused; RemoteProtocolError when the answer does not fit the request.
    """
    length = answer_length(request, answer)
    if length is None or len(answer) != length:
        expected = "at least 2" if length is None else str(length)
        raise RemoteProtocolError(
            f"answer PDU of {len(answer)} bytes ({answer.hex(' ') or 'empty'}), expected {expected}"
        )
    if answer[0] & _EXCEPTION_BIT:
        raise ExceptionResponseError(request[0], answer[1])
    return struct.unpack(f">{answer[1] // 2}H", answer[2:])
