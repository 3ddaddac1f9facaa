"""Reads the meter's energy register as a stranger would: with pymodbus, not with our own Modbus code."""

from __future__ import annotations

import struct

from pymodbus.client import AsyncModbusTcpClient

ENERGY_IMPORT = 72  # input registers 72 and 73 of the SDM630: kWh as a 32-bit float


async def read_energy_wh(port: int) -> float:
    """The import register in Wh; raises OSError when the meter does not answer properly."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
    try:
        if not await client.connect():
            raise OSError(f"no meter on port {port}")
        answer = await client.read_input_registers(ENERGY_IMPORT, count=2, device_id=1)
        if answer.isError():
            raise OSError(f"the meter answered {answer}")
        (kwh,) = struct.unpack(">f", struct.pack(">HH", *answer.registers))
        return float(kwh) * 1000.0
    finally:
        client.close()
