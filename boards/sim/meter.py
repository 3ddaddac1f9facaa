"""The simulated meter: an Eastron SDM630 that measures the world by its own samples and answers over Modbus.

The server is pymodbus, not our own Modbus core, so that the driver is read against somebody else's idea of the
protocol. The world sends what is on the wires as datagrams; voltage, current, power and above all energy are what this
meter makes of them. It knows neither the world's energy nor the station.

As a process:  python -m pilotwire.boards.sim.meter --feed-port 0 --tcp-port 0 [--rtu-device PATH | --rtu-line LINK]
In a loop:     meter = SimMeter(); await meter.start(); meter.sample(t_ms, u, i); ...; await meter.stop()

What it does not do: reactive power, harmonics, export, demand; those registers read 0, as they do on a meter that does
not know them. A serial device that hangs up is not opened again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from .serial_line import SerialLine

FEED = struct.Struct("<q6d")
"""One datagram of the world: its clock in ms, then L1 to L3 volts rms, then L1 to L3 amperes rms, power factor 1."""

LOOPBACK = "127.0.0.1"
GAP_MS = 2000
"""Longest pause between two samples that still counts as one curve."""

FREQUENCY_HZ = 50.0
_WH_PER_W_MS = 1 / 3_600_000
_REGISTER_COUNT = 382
_MOST_PER_REQUEST = 80
_READ_HOLDING, _READ_INPUT = 3, 4
_METER_CODE_ADDRESS, _METER_CODE = 0xFC02, 0x0070

Phases = tuple[float, float, float]


class EnergyRegister:
    """Import energy by the trapezoidal rule over the meter's own samples."""

    def __init__(self, start_wh: float) -> None:
        self.energy_wh = float(start_wh)
        """Counted so far, watt-hours; kept in double precision, the register only shows it in single."""
        self._last: tuple[int, float] | None = None

    def add(self, t_ms: int, power_w: float) -> None:
        """Count up to this sample.

        After a pause above GAP_MS, or when the clock went back, nobody knows what flowed in between: that stretch is
        not counted and the curve begins anew.
        """
        if self._last is not None and 0 <= t_ms - self._last[0] <= GAP_MS:
            self.energy_wh += (self._last[1] + power_w) / 2 * (t_ms - self._last[0]) * _WH_PER_W_MS
        self._last = (t_ms, power_w)


class SimMeter:
    """The meter with its feed and its Modbus servers, all on the running loop; no threads, no timers."""

    def __init__(
        self,
        *,
        feed_port: int = 0,
        tcp_port: int = 0,
        rtu_device: str | None = None,
        start_wh: float = 1_234_567.0,
        unit: int = 1,
    ) -> None:
        """Nothing listens yet. Port 0 takes a free one; `rtu_device` is a serial device (9600 8N1)."""
        self.feed_port = feed_port
        """UDP port for samples; the real one once started."""
        self.tcp_port = tcp_port
        """Modbus TCP port; the real one once started."""
        self.samples = 0
        """Samples taken."""
        self.refused = 0
        """Datagrams thrown away: wrong size or not finite."""
        self.silent = False
        """A fault: it answers nobody."""
        self.refusing = False
        """A fault: it answers every question with a Modbus exception."""
        self._rtu_device = rtu_device
        self._unit = unit
        self._energy = EnergyRegister(start_wh)
        self._voltage_v: Phases = (0.0, 0.0, 0.0)
        self._current_a: Phases = (0.0, 0.0, 0.0)
        self._feed: asyncio.DatagramTransport | None = None
        self._servers: list[ModbusTcpServer | ModbusSerialServer] = []

    @property
    def energy_wh(self) -> float:
        """The import register before it is rounded to single precision."""
        return self._energy.energy_wh

    def turn(self, energy_wh: float) -> None:
        """Set the import register, as when somebody has fitted another meter."""
        self._energy.energy_wh = energy_wh

    def sample(self, t_ms: int, voltage_v: Phases, current_a: Phases) -> None:
        """One sample of the world at its clock `t_ms`; not finite values are refused and counted."""
        if not all(map(math.isfinite, voltage_v + current_a)):
            self.refused += 1
            return
        self.samples += 1
        self._voltage_v, self._current_a = voltage_v, current_a
        self._energy.add(t_ms, sum(self._power_w()))

    async def start(self) -> None:
        """Listen to the feed and on Modbus; OSError naming the port or device that cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._feed, _ = await loop.create_datagram_endpoint(
                lambda: _Feed(self), local_addr=(LOOPBACK, self.feed_port)
            )
            self.feed_port = self._feed.get_extra_info("sockname")[1]
            await self._serve_tcp()
            if self._rtu_device is not None:
                await self._serve_rtu(self._rtu_device)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close everything; the registers keep their values."""
        for server in self._servers:
            await server.shutdown()  # type: ignore[no-untyped-call]
        self._servers.clear()
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        await asyncio.sleep(0)  # transports close in the next turn of the loop

    async def _serve_tcp(self) -> None:
        server = ModbusTcpServer(self._device(), address=(LOOPBACK, self.tcp_port), trace_pdu=self._only_for_me)
        await self._listen(server, f"{LOOPBACK}:{self.tcp_port}")
        listening = cast(asyncio.Server, server.transport)
        self.tcp_port = listening.sockets[0].getsockname()[1]

    async def _serve_rtu(self, path: str) -> None:
        server = ModbusSerialServer(self._device(), port=path, baudrate=9600, trace_pdu=self._only_for_me)
        await self._listen(server, path)
        await asyncio.sleep(0)  # pymodbus takes up reading in the next turn of the loop

    async def _listen(self, server: ModbusTcpServer | ModbusSerialServer, where: str) -> None:
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"the simulated meter cannot listen on {where}") from error
        self._servers.append(server)

    def _device(self) -> SimDevice:
        """A server's own pymodbus device; all of them are filled from this object when they are read."""
        no_bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS, readonly=True)]
        holding = [SimData(_METER_CODE_ADDRESS, values=_METER_CODE, datatype=DataType.REGISTERS, readonly=True)]
        inputs = [SimData(0, count=_REGISTER_COUNT, values=0, datatype=DataType.REGISTERS, readonly=True)]
        return SimDevice(self._unit, simdata=(no_bits, list(no_bits), holding, inputs), action=self._on_request)

    async def _on_request(  # noqa: PLR0917 - pymodbus calls with positions
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Before pymodbus answers: refuse what an SDM630 refuses, else bring the registers up to date."""
        if self.refusing:
            return ExcCodes.DEVICE_FAILURE
        if function not in (_READ_HOLDING, _READ_INPUT) or values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if count > _MOST_PER_REQUEST:
            return ExcCodes.ILLEGAL_VALUE
        if function == _READ_INPUT:
            for at, value in self._quantities().items():
                registers[at - start : at - start + 2] = struct.unpack(">HH", struct.pack(">f", value))
        return None

    def _only_for_me(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Stay silent when another unit is asked, as everyone on an RS-485 bus does, and when this meter is broken."""
        if self.silent or (not sending and pdu.dev_id != self._unit):
            return cast(ModbusPDU, None)  # pymodbus then has nothing to answer
        return pdu

    def _power_w(self) -> Phases:
        (u1, u2, u3), (i1, i2, i3) = self._voltage_v, self._current_a
        return (u1 * i1, u2 * i2, u3 * i3)

    def _quantities(self) -> dict[int, float]:
        """Input register address to value, units as on the meter: V, A, W, VA, Hz, kWh."""
        power_w = self._power_w()
        energy_kwh = self._energy.energy_wh / 1000
        by_phase = {0: self._voltage_v, 6: self._current_a, 12: power_w, 18: power_w, 30: (1.0, 1.0, 1.0)}
        quantities = {first + 2 * n: value for first, values in by_phase.items() for n, value in enumerate(values)}
        quantities |= {42: sum(self._voltage_v) / 3, 46: sum(self._current_a) / 3, 48: sum(self._current_a)}
        quantities |= {52: sum(power_w), 56: sum(power_w), 62: 1.0, 70: FREQUENCY_HZ, 72: energy_kwh, 342: energy_kwh}
        return quantities


class _Feed(asyncio.DatagramProtocol):
    """Takes the world's datagrams."""

    def __init__(self, meter: SimMeter) -> None:
        self._meter = meter

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) != FEED.size:
            self._meter.refused += 1
            return
        t_ms, u1, u2, u3, i1, i2, i3 = FEED.unpack(data)
        self._meter.sample(t_ms, (u1, u2, u3), (i1, i2, i3))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pilotwire.boards.sim.meter", description="Simulated SDM630 meter.")
    parser.add_argument("--feed-port", type=int, required=True, help="UDP port for the world's samples, 0 = any free")
    parser.add_argument("--tcp-port", type=int, required=True, help="Modbus TCP port on 127.0.0.1, 0 = any free")
    serial = parser.add_mutually_exclusive_group()
    serial.add_argument("--rtu-device", metavar="PATH", help="answer Modbus RTU on this serial device too")
    serial.add_argument(
        "--rtu-line", metavar="LINK", type=Path, help="make a serial line of two ptys; LINK becomes its far end"
    )
    parser.add_argument("--start-wh", type=float, default=1_234_567.0, help="import register at the start, Wh")
    parser.add_argument("--unit", type=int, default=1, help="Modbus address, 1 to 247")
    return parser.parse_args(argv)


async def _run(arguments: argparse.Namespace) -> None:
    line = SerialLine((None, arguments.rtu_line)) if arguments.rtu_line is not None else None
    device: str | None = arguments.rtu_device
    if line is not None:
        line.plug()
        device = line.ends[0]
    meter = SimMeter(
        feed_port=arguments.feed_port,
        tcp_port=arguments.tcp_port,
        rtu_device=device,
        start_wh=arguments.start_wh,
        unit=arguments.unit,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await meter.start()
        ready = {"ready": True, "feed_port": meter.feed_port, "tcp_port": meter.tcp_port}
        print(json.dumps(ready), flush=True)
        await stopped.wait()
    finally:
        await meter.stop()
        if line is not None:
            line.unplug()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 then, 2 when a port or device cannot be had."""
    try:
        asyncio.run(_run(_arguments(argv)))
    except OSError as error:
        print(f"simulated meter: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
