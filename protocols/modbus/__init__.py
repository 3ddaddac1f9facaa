"""Modbus client core without I/O: requests and answers, RTU and TCP framing, numbers out of registers."""

from .errors import EXCEPTION_MEANINGS, ExceptionResponseError, LocalProtocolError, ModbusError, RemoteProtocolError
from .pdu import parse_registers, read_holding_registers, read_input_registers
from .rtu import RtuClient, crc16
from .tcp import TcpClient
from .words import decode, width

__all__ = [
    "EXCEPTION_MEANINGS",
    "ExceptionResponseError",
    "LocalProtocolError",
    "ModbusError",
    "RemoteProtocolError",
    "RtuClient",
    "TcpClient",
    "crc16",
    "decode",
    "parse_registers",
    "read_holding_registers",
    "read_input_registers",
    "width",
]
