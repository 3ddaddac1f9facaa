"""What can go wrong on Modbus, named by who is to blame.

`LocalProtocolError`: our own side asked for something the protocol does not allow.
`RemoteProtocolError`: what came back is no valid answer to what was asked.
`ExceptionResponseError`: the device answered correctly and refused, with a code that says why.
"""

from __future__ import annotations

EXCEPTION_MEANINGS = {
    1: "illegal function: the device does not know this function code",
    2: "illegal data address: the device has no such register, or not that many from there on",
    3: "illegal data value: the device does not accept this count or value",
    4: "server device failure: the device failed while answering",
    5: "acknowledge: accepted, but not done yet",
    6: "server device busy: ask again later",
    8: "memory parity error in the device",
    10: "gateway path unavailable: the gateway is overloaded or wrongly configured",
    11: "gateway target failed to respond: nobody behind the gateway answers to this unit",
}
"""Exception code to its meaning (MODBUS Application Protocol V1.1b3, section 7)."""


class ModbusError(Exception):
    """Any failure of the Modbus core."""


class LocalProtocolError(ModbusError):
    """This side broke the rules: the text says which argument and what would be right."""


class RemoteProtocolError(ModbusError):
    """The other side's bytes are no valid answer; the text says what came and what was expected."""


class ExceptionResponseError(RemoteProtocolError):
    """The device refused the request with an exception response."""

    def __init__(self, function: int, code: int) -> None:
        self.function = function
        """The function code that was refused."""
        self.code = code
        """The exception code, 1 to 255."""
        meaning = EXCEPTION_MEANINGS.get(code, "a code the standard does not define")
        super().__init__(f"function {function} was refused with exception {code} ({meaning})")
