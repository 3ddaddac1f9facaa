"""The transports on real ptys and sockets: in pieces, too late, cancelled, pulled and plugged back in."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

import pytest

from modbus_peers import (
    IMPATIENT_MS,
    PATIENT_MS,
    floats,
    raw_line,
    raw_server,
    rtu_frame,
    rtu_sound,
    tcp_frame,
    tcp_sound,
)
from pilotwire.boards.sim.meter import SimMeter
from pilotwire.boards.sim.serial_line import SerialLine
from pilotwire.hal.drivers.modbus_transport import RtuTransport, TcpTransport, TransportError
from pilotwire.hal.drivers.sdm630 import open_sdm630
from pilotwire.hal.ports import MeterError
from pilotwire.protocols.modbus import read_input_registers


def test_answers_in_single_bytes_and_with_noise_behind_them_read_the_same_as_whole_ones() -> None:
    def bytewise(frame: bytes) -> list[bytes]:
        return [bytes((byte,)) for byte in frame]

    async def scenario() -> None:
        readings = []
        for script in (
            lambda r: [rtu_sound(r)],
            lambda r: bytewise(rtu_sound(r)),
            lambda r: [rtu_sound(r) + b"\xff\x01\x04"],
        ):
            async with raw_line(script) as line:
                meter = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
                readings += [await meter.read(), await meter.read()]
                await meter.close()
        for script in (lambda r: [tcp_sound(r)], lambda r: bytewise(tcp_frame(r, b"\x01\x04\x00", 77) + tcp_sound(r))):
            async with raw_server(script) as port:
                meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=port, timeout_ms=PATIENT_MS)
                readings += [await meter.read(), await meter.read()]
                await meter.close()
        assert len(readings) == 10
        assert {(r.voltage_v, r.current_a, r.power_w, r.energy_import_wh) for r in readings} == {
            ((230.5, 231.5, 232.5), (6.0, 7.0, 8.0), 4860.0, 1_234_500.0)
        }

    asyncio.run(scenario())


def test_an_answer_that_came_too_late_does_not_answer_the_next_request() -> None:
    async def scenario() -> None:
        async with raw_line(lambda r: []) as line:
            transport = RtuTransport(line.device, timeout_ms=IMPATIENT_MS)
            with pytest.raises(TransportError, match="nothing came back"):
                await transport.transact(1, read_input_registers(0, 2))
            late = rtu_frame(floats(line.requests[0], r0=111.0))
            os.write(line.master, late)
            with pytest.raises(TransportError, match="nothing came back"):
                await transport.transact(1, read_input_registers(0, 2))
            await transport.close()

    asyncio.run(scenario())


def test_noise_between_two_transactions_is_thrown_away() -> None:
    async def scenario() -> None:
        async with raw_line(lambda r: [rtu_sound(r)]) as line:
            meter = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            await meter.read()
            os.write(line.master, bytes(1000))
            assert (await meter.read()).power_w == 4860.0
            await meter.close()

    asyncio.run(scenario())


def test_a_serial_device_that_takes_no_bytes_is_an_error() -> None:
    async def scenario() -> None:
        master, slave = os.openpty()  # nobody reads the master
        tty.setraw(slave)
        os.set_blocking(slave, False)
        # The kernel moves what is in a pty's first buffer on in its own time, which makes room again: full is what stays full.
        refused = 0
        for _ in range(1000):
            try:
                os.write(slave, bytes(1024))
                refused = 0
            except BlockingIOError:
                refused += 1
                await asyncio.sleep(0.01)
            if refused == 20:
                break
        assert refused == 20, "the line never filled up"
        with pytest.raises(MeterError, match="its output is stuck"):
            await open_sdm630("rtu", port=os.ttyname(slave), timeout_ms=PATIENT_MS).read()
        os.close(master)
        os.close(slave)

    asyncio.run(scenario())


def test_one_transaction_at_a_time_however_many_ask() -> None:
    async def scenario() -> None:
        async with raw_line(lambda r: [rtu_sound(r)[:5], rtu_sound(r)[5:]]) as line:
            meter = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            readings = await asyncio.gather(*(meter.read() for _ in range(5)))
            assert [reading.power_w for reading in readings] == [4860.0] * 5
            assert [len(request) for request in line.requests] == [8] * 5
            await meter.close()

    asyncio.run(scenario())


def test_a_cancelled_reading_leaves_a_port_that_works() -> None:
    answering = False

    async def scenario() -> None:
        nonlocal answering
        async with raw_line(lambda r: [rtu_sound(r)] if answering else []) as line:
            meter = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            reading = asyncio.create_task(meter.read())
            await line.asked.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            answering = True
            assert (await meter.read()).power_w == 4860.0
            await meter.close()

    asyncio.run(scenario())


def test_a_serial_device_that_vanishes_while_it_is_asked_is_an_error_at_once() -> None:
    async def scenario() -> None:
        async with raw_line(lambda r: []) as line:
            meter = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            reading = asyncio.create_task(meter.read())
            await line.asked.wait()
            line.hang_up()
            with pytest.raises(MeterError, match=r"has gone|Input/output error"):
                await reading
            await meter.close()

    asyncio.run(scenario())


def test_a_serial_device_that_was_pulled_is_an_error_until_it_is_back_and_then_reads_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        line = SerialLine((None, tmp_path / "meter"))
        line.plug()
        meter = open_sdm630("rtu", port=str(tmp_path / "meter"), timeout_ms=PATIENT_MS)
        for power_w in (230.0, 460.0, 690.0):
            peer = SimMeter(rtu_device=line.ends[0])
            await peer.start()
            peer.sample(0, (230.0, 0.0, 0.0), (power_w / 230.0, 0.0, 0.0))
            assert (await meter.read()).power_w == pytest.approx(power_w)
            line.unplug()
            for _ in range(2):
                with pytest.raises(MeterError, match=r"cannot open the serial device: .*meter"):
                    await meter.read()
            await peer.stop()
            line.plug()
        await meter.close()
        line.unplug()

    asyncio.run(scenario())


def test_a_tcp_meter_that_dies_is_an_error_until_it_is_back_and_then_reads_by_itself() -> None:
    async def scenario() -> None:
        peer = SimMeter()
        await peer.start()
        meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=peer.tcp_port, timeout_ms=PATIENT_MS)
        for power_w in (230.0, 460.0, 690.0):
            peer.sample(0, (230.0, 0.0, 0.0), (power_w / 230.0, 0.0, 0.0))
            assert (await meter.read()).power_w == pytest.approx(power_w)
            await peer.stop()
            for _ in range(2):
                with pytest.raises(MeterError, match=f"127.0.0.1:{peer.tcp_port}: "):
                    await meter.read()
            await peer.start()
        await meter.read()
        await meter.close()
        await peer.stop()

    asyncio.run(scenario())


def test_a_tcp_meter_that_restarted_between_two_readings_costs_no_reading() -> None:
    async def scenario() -> None:
        peer = SimMeter()
        await peer.start()
        meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=peer.tcp_port, timeout_ms=PATIENT_MS)
        await meter.read()
        await peer.stop()
        await peer.start()
        await asyncio.sleep(0.05)  # the loop takes notice of the closed connection
        await meter.read()
        await meter.close()
        await peer.stop()

    asyncio.run(scenario())


def test_a_device_that_does_not_exist_or_is_taken_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(MeterError, match=r"nowhere \(9600 8N1\): cannot open the serial device"):
            await open_sdm630("rtu", port=str(tmp_path / "nowhere")).read()
        async with raw_line(lambda r: [rtu_sound(r)]) as line:
            first = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            await first.read()
            with pytest.raises(MeterError, match=r"cannot open the serial device: .*exclusively lock"):
                await open_sdm630("rtu", port=line.device).read()
            await first.close()
            second = open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS)
            await second.read()
            await second.close()

    asyncio.run(scenario())


def test_a_timeout_below_one_millisecond_is_refused() -> None:
    for make in (lambda: RtuTransport("/dev/x", timeout_ms=0), lambda: TcpTransport("127.0.0.1", timeout_ms=-1)):
        with pytest.raises(ValueError, match="it must be above 0"):
            make()
