"""The simulated meter: what a third party reads from it over Modbus is what the world sent and the integral says."""

from __future__ import annotations

import asyncio
import json
import math
import selectors
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from pilotwire.boards.sim.meter import FEED, EnergyRegister, SimMeter
from pilotwire.boards.sim.serial_line import SerialLine
from pilotwire.hal.drivers.sdm630 import open_sdm630

PATIENT_S = 20.0
NO_CURRENT = (0.0, 0.0, 0.0)

Sample = tuple[float, ...]
"""t_ms, u1, u2, u3, i1, i2, i3"""
Client = AsyncModbusTcpClient | AsyncModbusSerialClient


@asynccontextmanager
async def tcp_client(port: int) -> AsyncIterator[Client]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=PATIENT_S, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def rtu_client(device: str) -> AsyncIterator[Client]:
    client = AsyncModbusSerialClient(device, baudrate=9600, timeout=PATIENT_S, retries=0)
    assert await client.connect()
    await asyncio.sleep(0)
    try:
        yield client
    finally:
        client.close()


async def read(client: Client, address: int, unit: int = 1) -> float:
    """One f32 input register pair, read and unpacked without any code of ours."""
    answer = await client.read_input_registers(address, count=2, device_id=unit)
    assert not answer.isError(), answer
    value: float = struct.unpack(">f", struct.pack(">HH", *answer.registers))[0]
    return value


def send(port: int, samples: list[Sample]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feed:
        for t_ms, *rest in samples:
            feed.sendto(FEED.pack(int(t_ms), *rest), ("127.0.0.1", port))


def charging(count: int, step_ms: int) -> list[Sample]:
    """A charge that rises and falls like sin^2: 3 x 230 V, 32 A at its top, half of that on average."""
    span_ms = (count - 1) * step_ms
    amps = [32.0 * math.sin(math.pi * n / (count - 1)) ** 2 for n in range(count)]
    samples: list[Sample] = [(n * step_ms, 230.0, 230.0, 230.0, amps[n], amps[n], amps[n]) for n in range(count)]
    return [*samples, (span_ms, 231.5, 230.0, 230.0, 0.0, 0.0, 0.0)]


def charging_wh(count: int, step_ms: int) -> float:
    """The analytic integral of that curve."""
    return 3 * 230.0 * 16.0 * (count - 1) * step_ms / 3_600_000


async def start_process(*more: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pilotwire.boards.sim.meter",
        *("--feed-port", "0", "--tcp-port", "0", *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), PATIENT_S)
    return process, json.loads(line) if line else {}


async def end_process(process: asyncio.subprocess.Process, how: signal.Signals = signal.SIGTERM) -> str:
    process.send_signal(how)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENT_S)
    assert process.returncode == 0, errors.decode()
    return errors.decode()


def test_a_third_party_reads_the_analytic_energy_from_the_meter_process_over_tcp_and_rtu(tmp_path: Path) -> None:
    link = tmp_path / "meter"

    async def scenario() -> None:
        process, ready = await start_process("--start-wh", "0", "--rtu-line", str(link))
        assert ready.keys() == {"ready", "feed_port", "tcp_port"}
        assert ready["ready"] is True
        samples = charging(200, 1000)
        async with tcp_client(ready["tcp_port"]) as client:
            for start in range(0, len(samples), 40):  # a few at a time: the socket's buffer is finite
                send(ready["feed_port"], samples[start : start + 40])
                await read(client, 0)
            for _ in range(2000):
                if await read(client, 0) == 231.5:
                    break
                await asyncio.sleep(0.01)
            else:
                pytest.fail("the last sample never arrived")
            energy_wh = 1000 * await read(client, 72)
        async with rtu_client(str(link)) as client:
            assert 1000 * await read(client, 72) == energy_wh, "both servers show one meter"
        assert energy_wh == pytest.approx(charging_wh(200, 1000), rel=1e-3)
        assert await end_process(process) == ""
        assert not link.is_symlink()

    asyncio.run(scenario())


def test_the_meter_process_ends_cleanly_on_an_interrupt_and_says_when_a_port_is_taken() -> None:
    async def scenario() -> None:
        process, ready = await start_process()
        assert await end_process(process, signal.SIGINT) == ""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            process, ready = await start_process("--tcp-port", str(port))
            _, errors = await process.communicate()
        assert ready == {}
        assert process.returncode == 2
        assert f"simulated meter: the simulated meter cannot listen on 127.0.0.1:{port}" in errors.decode()
        process, ready = await start_process("--rtu-device", "/dev/no-such-device")
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert "cannot listen on /dev/no-such-device" in errors.decode()

    asyncio.run(scenario())


def test_every_register_shows_the_last_sample_to_a_third_party() -> None:
    async def scenario() -> None:
        meter = SimMeter(start_wh=1_234_567.0)
        await meter.start()
        meter.sample(0, (229.0, 230.0, 231.0), (6.0, 7.5, 16.25))
        async with tcp_client(meter.tcp_port) as client:
            expected = {0: 229.0, 2: 230.0, 4: 231.0, 6: 6.0, 8: 7.5, 10: 16.25, 70: 50.0, 36: 0.0}
            expected |= {12: 1374.0, 14: 1725.0, 16: 3753.75, 52: 6852.75, 72: 1234.567, 342: 1234.567}
            for address, value in expected.items():
                assert await read(client, address) == pytest.approx(value, rel=2**-23), f"input register {address}"
        await meter.stop()

    asyncio.run(scenario())


def test_the_driver_and_a_third_party_read_the_same_meter() -> None:
    async def scenario() -> None:
        line = SerialLine()
        line.plug()
        meter = SimMeter(rtu_device=line.ends[0], unit=9)
        await meter.start()
        for t_ms, *rest in charging(1800, 1000):
            meter.sample(int(t_ms), (rest[0], rest[1], rest[2]), (rest[3], rest[4], rest[5]))
        assert meter.energy_wh - 1_234_567.0 == pytest.approx(charging_wh(1800, 1000), rel=1e-6)
        async with tcp_client(meter.tcp_port) as client:
            theirs_wh = 1000 * await read(client, 72, unit=9)
        ours = open_sdm630("rtu", port=line.ends[1], unit=9, timeout_ms=20_000)
        assert (await ours.read()).energy_import_wh == theirs_wh
        assert theirs_wh - 1_234_567.0 == pytest.approx(charging_wh(1800, 1000), rel=1e-3)
        await ours.close()
        await meter.stop()
        line.unplug()

    asyncio.run(scenario())


def test_the_meter_refuses_what_the_real_one_refuses() -> None:
    async def scenario() -> None:
        meter = SimMeter()
        await meter.start()
        async with tcp_client(meter.tcp_port) as client:
            answers = [
                await client.read_input_registers(0, count=81),
                await client.read_input_registers(381, count=2),
                await client.read_coils(0, count=1),
                await client.write_register(0, 1),
            ]
            assert [(answer.isError(), answer.exception_code) for answer in answers[:3]] == [
                (True, 3),
                (True, 2),
                (True, 1),
            ]
            assert answers[3].isError()
            assert (await client.read_holding_registers(0xFC02, count=1)).registers == [0x0070]
        await meter.stop()

    asyncio.run(scenario())


def test_the_meter_is_silent_when_another_unit_is_asked() -> None:
    async def scenario() -> None:
        meter = SimMeter(unit=1)
        await meter.start()
        _, writer = reader_writer = await asyncio.open_connection("127.0.0.1", meter.tcp_port)
        ask_2, ask_1 = (struct.pack(">HHHBBHH", unit, 0, 6, unit, 4, 0, 2) for unit in (2, 1))
        writer.write(ask_2)
        await asyncio.sleep(0.05)
        writer.write(ask_1)
        first = await asyncio.wait_for(reader_writer[0].readexactly(13), PATIENT_S)
        assert first[:2] == b"\x00\x01", "the first and only answer is unit 1's"
        writer.close()
        await writer.wait_closed()
        await meter.stop()

    asyncio.run(scenario())


def test_datagrams_that_are_no_samples_are_refused_and_counted() -> None:
    async def scenario() -> None:
        meter = SimMeter(start_wh=0)
        await meter.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as feed:
            for datagram in (b"", b"short", FEED.pack(1, *[math.nan] * 6), FEED.pack(2, 230, 230, 230, math.inf, 0, 0)):
                feed.sendto(datagram, ("127.0.0.1", meter.feed_port))
            feed.sendto(FEED.pack(3, 230, 230, 230, 1, 0, 0), ("127.0.0.1", meter.feed_port))
        for _ in range(20_000):
            if meter.samples:
                break
            await asyncio.sleep(0.001)
        assert (meter.samples, meter.refused) == (1, 4)
        await meter.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("samples", "energy_wh"),
    [
        ([(0, 1000.0)], 0.0),
        ([(0, 1000.0), (2000, 1000.0)], 1000 * 2 / 3600),
        ([(0, 0.0), (2000, 1000.0)], 500 * 2 / 3600),
        ([(0, 1000.0), (2001, 1000.0)], 0.0),
        ([(0, 1000.0), (2001, 1000.0), (3001, 1000.0)], 1000 / 3600),
        ([(5000, 1000.0), (1000, 1000.0), (2000, 1000.0)], 1000 / 3600),
        ([(0, 1000.0), (0, 3000.0), (1000, 3000.0)], 3000 / 3600),
        ([(0, -1000.0), (1000, -1000.0)], -1000 / 3600),
    ],
)
def test_only_what_was_seen_without_a_gap_is_counted(samples: list[tuple[int, float]], energy_wh: float) -> None:
    register = EnergyRegister(0.0)
    for t_ms, power_w in samples:
        register.add(t_ms, power_w)
    assert register.energy_wh == pytest.approx(energy_wh)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=200), st.floats(0, 50_000), st.floats(0, 10))
def test_a_straight_line_is_integrated_exactly_at_any_sample_rate(
    steps: list[int], at_0_w: float, slope: float
) -> None:
    register = EnergyRegister(1e6)
    t_ms = 0
    register.add(0, at_0_w)
    for step in steps:
        t_ms += step
        register.add(t_ms, at_0_w + slope * t_ms)
    exact_wh = (at_0_w * t_ms + slope * t_ms**2 / 2) / 3_600_000
    assert register.energy_wh - 1e6 == pytest.approx(exact_wh, rel=1e-9, abs=1e-6)


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: when no descriptor is ready, the waiting time is added to the loop's clock instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            return super().select(PATIENT_S)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose clock only runs while everyone waits; sockets are real."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def test_meter_and_driver_live_on_a_loop_whose_time_is_virtual() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        meter = SimMeter(start_wh=0)
        await meter.start()
        driver = open_sdm630("tcp", host="127.0.0.1", tcp_port=meter.tcp_port, timeout_ms=500)
        for second in range(3601):
            meter.sample(second * 1000, (230.0, 230.0, 230.0), (16.0, 16.0, 16.0))
            if second % 600 == 0:
                reading = await driver.read()
                assert reading.energy_import_wh == pytest.approx(11_040 * second / 3600, rel=1e-6)
                assert abs(reading.at_ms - loop.time() * 1000) <= 500
            await asyncio.sleep(1.0)
        assert loop.time() >= 3600
        await driver.close()
        await meter.stop()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario())
