"""The SDM630 driver: its register table, its requests, and its readings against a server that is not ours."""

from __future__ import annotations

import asyncio
import itertools
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from pilotwire.boards.sim.serial_line import SerialLine
from pilotwire.hal.drivers.modbus_transport import Answer
from pilotwire.hal.drivers.register_map import Register, group_registers
from pilotwire.hal.drivers.sdm630 import REGISTERS, Sdm630, open_sdm630
from pilotwire.hal.ports import Meter, MeterError, MeterReading

PATIENT_MS = 20_000

# Typed here once more, on purpose: the addresses of the meter's documentation, not of the driver's table.
VOLTAGE_L1, VOLTAGE_L2, VOLTAGE_L3, CURRENT_L1, CURRENT_L2, CURRENT_L3 = 0, 2, 4, 6, 8, 10
POWER, ENERGY_IMPORT_KWH = 52, 72

SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)
QUANTITIES = st.fixed_dictionaries(
    {address: st.floats(0, 500, width=32) for address in (VOLTAGE_L1, VOLTAGE_L2, VOLTAGE_L3)}
    | {address: st.floats(-200, 200, width=32) for address in (CURRENT_L1, CURRENT_L2, CURRENT_L3)}
    | {POWER: st.floats(-300_000, 300_000, width=32), ENERGY_IMPORT_KWH: st.floats(0, 9_999_999, width=32)}
)


def lsb(value: float) -> float:
    """The distance from this single-precision value to the next."""
    bits = struct.unpack(">I", struct.pack(">f", abs(value)))[0]
    above: float = struct.unpack(">f", struct.pack(">I", bits + 1))[0]
    return above - abs(value)


def assert_reads(reading: MeterReading, meant: dict[int, float]) -> None:
    got = {
        **dict(zip((VOLTAGE_L1, VOLTAGE_L2, VOLTAGE_L3), reading.voltage_v, strict=True)),
        **dict(zip((CURRENT_L1, CURRENT_L2, CURRENT_L3), reading.current_a, strict=True)),
        POWER: reading.power_w,
        ENERGY_IMPORT_KWH: reading.energy_import_wh / 1000,
    }
    for address, value in meant.items():
        assert abs(got[address] - value) <= lsb(value), f"input register {address}: read {got[address]}, was {value}"


def device(values: dict[int, float], most: int = 125) -> SimDevice:
    """A pymodbus device with these f32 input registers, 9.9e9 in every other, that refuses more than `most` at once."""
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    inputs = [SimData(at, values=values.get(at, 9.9e9), datatype=DataType.FLOAT32) for at in range(0, 100, 2)]
    holding = [SimData(0, values=0, datatype=DataType.REGISTERS)]

    async def refuse(_f: int, _s: int, _a: int, count: int, _r: list[int], _v: object) -> ExcCodes | None:
        return ExcCodes.ILLEGAL_ADDRESS if count > most else None

    return SimDevice(1, simdata=(bits, list(bits), holding, inputs), action=refuse)


async def read_over_tcp(values: dict[int, float], most: int = 125) -> MeterReading:
    server = ModbusTcpServer(device(values, most), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    meter = open_sdm630(
        "tcp",
        host="127.0.0.1",
        tcp_port=server.transport.sockets[0].getsockname()[1],  # type: ignore[attr-defined]
        timeout_ms=PATIENT_MS,
    )
    try:
        return await meter.read()
    finally:
        await meter.close()
        await server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)


async def read_over_rtu(values: dict[int, float]) -> MeterReading:
    line = SerialLine()
    line.plug()
    server = ModbusSerialServer(device(values), port=line.ends[0], baudrate=9600)
    await server.serve_forever(background=True)
    await asyncio.sleep(0)
    meter = open_sdm630("rtu", port=line.ends[1], timeout_ms=PATIENT_MS)
    try:
        return await meter.read()
    finally:
        await meter.close()
        await server.shutdown()  # type: ignore[no-untyped-call]
        line.unplug()


TYPICAL = {0: 229.7, 2: 230.4, 4: 231.9, 6: 15.87, 8: 15.91, 10: 0.033, 52: 7311.25, 72: 98765.4321}


@pytest.mark.parametrize(
    "values",
    [
        TYPICAL,
        dict.fromkeys(TYPICAL, 0.0),
        {0: 500.0, 2: 499.99997, 4: 1e-38, 6: -200.0, 8: 200.0, 10: -1e-30, 52: -300_000.0, 72: 9_999_999.0},
    ],
)
def test_every_quantity_is_read_over_rtu_and_tcp_as_a_foreign_server_holds_it(values: dict[int, float]) -> None:
    singles = {address: struct.unpack(">f", struct.pack(">f", value))[0] for address, value in values.items()}
    assert_reads(asyncio.run(read_over_rtu(values)), singles)
    assert_reads(asyncio.run(read_over_tcp(values)), singles)


def test_a_meter_that_refuses_long_requests_is_read_in_shorter_ones() -> None:
    singles = {address: struct.unpack(">f", struct.pack(">f", value))[0] for address, value in TYPICAL.items()}
    assert_reads(asyncio.run(read_over_tcp(TYPICAL, most=50)), singles)
    with pytest.raises(MeterError, match=r"exception 2 \(illegal data address"):
        asyncio.run(read_over_tcp(TYPICAL, most=10))


class Wire:
    """A transport in memory that answers from a table and keeps the requests; it has no framing and no timeout."""

    name = "a wire in memory"

    def __init__(self, values: dict[int, float], most: int = 125) -> None:
        self._values, self._most = values, most
        self.requests: list[tuple[int, int, int, int]] = []

    async def transact(self, unit: int, pdu: bytes) -> Answer:
        function, address, count = struct.unpack(">BHH", pdu)
        self.requests.append((unit, function, address, count))
        if count > self._most:
            return Answer(bytes((function | 0x80, 2)), 0)
        data = b"".join(struct.pack(">f", self._values.get(at, 0.0)) for at in range(address, address + count, 2))
        return Answer(bytes((function, 2 * count)) + data, 4711 + len(self.requests))

    async def close(self) -> None:
        return


@given(QUANTITIES)
def test_any_believable_set_is_read_as_it_is(values: dict[int, float]) -> None:
    assert_reads(asyncio.run(Sdm630(Wire(values)).read()), values)


def test_one_request_of_input_registers_reads_everything() -> None:
    wire = Wire(TYPICAL)
    reading = asyncio.run(Sdm630(wire, unit=7).read())
    assert wire.requests == [(7, 4, 0, 74)]
    assert reading.at_ms == 4712, "stamped when the answer was complete"


def test_a_meter_that_refused_once_is_not_asked_for_so_much_again() -> None:
    wire = Wire(TYPICAL, most=50)
    meter = Sdm630(wire)
    first, second = asyncio.run(meter.read()), asyncio.run(meter.read())
    assert wire.requests == [(1, 4, 0, 74), (1, 4, 0, 12), (1, 4, 52, 22), (1, 4, 0, 12), (1, 4, 52, 22)]
    assert (first.at_ms, second.at_ms) == (4714, 4716), "the last answer stamps the reading"


@given(st.sets(st.integers(0, 400), min_size=1), st.integers(2, 125))
def test_groups_cover_every_register_within_the_limit_and_in_the_fewest_requests(starts: set[int], most: int) -> None:
    table = [Register(f"r{start}", 2 * start, "f32", "V", 0, 1) for start in sorted(starts)]
    groups = group_registers(table, most)
    assert [register for group in groups for register in group.registers] == table
    for group in groups:
        assert group.count <= most
        assert group.address == group.registers[0].address
        assert group.address + group.count == group.registers[-1].address + 2
    # No two first registers fit one request, so fewer requests cannot do.
    firsts = [group.address for group in groups]
    assert all(later + 2 - earlier > most for earlier, later in itertools.pairwise(firsts))


def test_a_quantity_wider_than_a_request_is_a_mistake_in_the_table() -> None:
    with pytest.raises(ValueError, match="voltage_l1 fills 2 registers, one request reads 1"):
        group_registers(REGISTERS, 1)
    assert group_registers((), 80) == ()


@pytest.mark.parametrize(
    ("transport", "given_", "text"),
    [
        ("can", {"port": "/dev/ttyS0"}, "meter transport 'can': only 'rtu' and 'tcp' exist"),
        ("rtu", {"host": "127.0.0.1"}, "meter transport 'rtu' needs port, the serial device"),
        ("tcp", {"port": "/dev/ttyS0"}, "meter transport 'tcp' needs host"),
    ],
)
def test_a_meter_without_its_settings_is_not_made(transport: str, given_: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        open_sdm630(transport, **given_)  # type: ignore[arg-type]


def test_a_unit_that_cannot_exist_on_a_serial_line_is_a_meter_error() -> None:
    async def scenario() -> None:
        line = SerialLine()
        line.plug()
        meter = open_sdm630("rtu", port=line.ends[0], unit=300)
        with pytest.raises(MeterError, match=r"SDM630 unit 300 at .*: unit 300 is out of range: 1 to 247"):
            await meter.read()
        await meter.close()
        line.unplug()

    asyncio.run(scenario())


def test_the_driver_fills_the_meter_port_and_needs_neither_pyserial_nor_pymodbus_to_be_imported() -> None:
    meter: Meter = open_sdm630("tcp", host="127.0.0.1")
    assert meter
    code = (
        "import sys, pilotwire.hal.drivers.sdm630 as s; print([m for m in ('serial', 'pymodbus') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert done.stdout.strip() == "[]"
