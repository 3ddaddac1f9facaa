"""Everything a meter can answer wrongly, on a real pty and a real socket: a clear error each time, never a number."""

from __future__ import annotations

import asyncio
import math

import pytest

from modbus_peers import (
    IMPATIENT_MS,
    PATIENT_MS,
    Script,
    floats,
    raw_line,
    raw_server,
    rtu_frame,
    rtu_sound,
    tcp_frame,
    tcp_sound,
)
from pilotwire.hal.drivers.sdm630 import Sdm630, open_sdm630
from pilotwire.hal.ports import MeterError


async def read_once(meter: Sdm630) -> object:
    """A reading, or the error; never both, and the port is released."""
    try:
        return await meter.read()
    except MeterError as error:
        return error
    finally:
        await meter.close()


BAD_RTU: dict[str, tuple[Script, str, int]] = {
    "wrong CRC": (lambda r: [rtu_sound(r)[:-1] + bytes((rtu_sound(r)[-1] ^ 0x40,))], "CRC of the answer is", PATIENT_MS),
    "damaged data": (lambda r: [rtu_sound(r)[:9] + b"\xaa" + rtu_sound(r)[10:]], "damaged on the line", PATIENT_MS),
    "wrong unit": (lambda r: [rtu_frame(b"\x02" + floats(r)[1:])], "0x02 instead of unit 1", PATIENT_MS),
    "noise first": (lambda r: [b"\xff\x00", rtu_sound(r)], "noise before the frame", PATIENT_MS),
    "wrong function": (lambda r: [rtu_frame(b"\x01\x03" + floats(r)[2:])], "function code 3 came back", PATIENT_MS),
    "wrong count": (lambda r: [rtu_frame(b"\x01\x04\x04" + bytes(4))], "byte count 4 came back", PATIENT_MS),
    "echo": (lambda r: [r, rtu_sound(r)], "an adapter that echoes", PATIENT_MS),
    "short frame": (lambda r: [rtu_sound(r)[:20]], "within 1000 ms: the answer broke off after 20 bytes .01 04", IMPATIENT_MS),
    "silence": (lambda r: [], "no answer within 1000 ms: the request was sent, nothing came back", IMPATIENT_MS),
}  # fmt: skip
BAD_VALUES = {
    "NaN voltage": ({"r2": math.nan}, r"voltage_l2 \(input register 2\) reads nan V, believable is 0 to 500 V"),
    "infinite power": ({"r52": math.inf}, r"power \(input register 52\) reads inf W"),
    "minus infinite current": ({"r8": -math.inf}, r"current_l2 \(input register 8\) reads -inf A"),
    "absurd voltage": ({"r0": 23050.0}, r"voltage_l1 \(input register 0\) reads 23050 V"),
    "absurd current": ({"r10": 1e9}, r"current_l3 \(input register 10\) reads 1e\+09 A"),
    "absurd power": ({"r52": -4e5}, r"reads -400000 W, believable is -300000 to 300000 W"),
    "negative energy": ({"r72": -1.0}, r"energy_import \(input register 72\) reads -1 kWh"),
}
EXCEPTIONS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure"}


@pytest.mark.parametrize("name", BAD_RTU)
def test_a_bad_answer_on_the_serial_line_is_a_clear_error_and_never_a_number(name: str) -> None:
    script, text, timeout_ms = BAD_RTU[name]

    async def scenario() -> None:
        async with raw_line(script) as line:
            outcome = await read_once(open_sdm630("rtu", port=line.device, timeout_ms=timeout_ms))
            with pytest.raises(MeterError, match=f"SDM630 unit 1 at {line.device} .9600 8N1.: .*{text}"):
                raise outcome if isinstance(outcome, MeterError) else AssertionError(f"{outcome} is a number")

    asyncio.run(scenario())


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_value_that_cannot_be_is_an_error_that_names_it(name: str) -> None:
    changed, text = BAD_VALUES[name]

    async def scenario() -> None:
        async with raw_line(lambda r: [rtu_frame(floats(r, **changed))]) as line:
            with pytest.raises(MeterError, match=text):
                await open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS).read()
        async with raw_server(lambda r: [tcp_frame(r, floats(r[6:], **changed))]) as port:
            meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=port, timeout_ms=PATIENT_MS)
            with pytest.raises(MeterError, match=text):
                await meter.read()
            await meter.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("code", EXCEPTIONS)
def test_an_exception_response_reaches_the_reader_with_its_meaning(code: int) -> None:
    async def scenario() -> None:
        text = rf"function 4 was refused with exception {code} \({EXCEPTIONS[code]}"
        async with raw_line(lambda _: [rtu_frame(bytes((1, 0x84, code)))]) as line:
            with pytest.raises(MeterError, match=text):
                await open_sdm630("rtu", port=line.device, timeout_ms=PATIENT_MS).read()
        async with raw_server(lambda r: [tcp_frame(r, bytes((1, 0x84, code)))]) as port:
            meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=port, timeout_ms=PATIENT_MS)
            with pytest.raises(MeterError, match=text):
                await meter.read()
            await meter.close()

    asyncio.run(scenario())


BAD_TCP: dict[str, tuple[Script, str, int]] = {
    "no Modbus": (lambda r: [b"HTTP/1.1 400 Bad Request\r\n"], "Modbus is 0", PATIENT_MS),
    "wrong unit": (lambda r: [tcp_frame(r, b"\x02" + floats(r[6:])[1:])], "unit 2 answered, unit 1 was asked", PATIENT_MS),
    "wrong count": (lambda r: [tcp_frame(r, b"\x01\x04\x02\x00\x00")], "byte count 2 came back", PATIENT_MS),
    "hangs up": (lambda r: [], "closed the connection instead of answering", PATIENT_MS),
    "short frame": (lambda r: [tcp_sound(r)[:20]], "the answer broke off after 20 bytes", IMPATIENT_MS),
    "only old answers": (lambda r: [tcp_frame(r, floats(r[6:]), 999)], "the request was sent, nothing came back", IMPATIENT_MS),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TCP)
def test_a_bad_answer_over_tcp_is_a_clear_error_and_never_a_number(name: str) -> None:
    script, text, timeout_ms = BAD_TCP[name]

    async def scenario() -> None:
        async with raw_server(script) as port:
            meter = open_sdm630("tcp", host="127.0.0.1", tcp_port=port, timeout_ms=timeout_ms)
            outcome = await read_once(meter)
            with pytest.raises(MeterError, match=f"SDM630 unit 1 at 127.0.0.1:{port}: .*{text}"):
                raise outcome if isinstance(outcome, MeterError) else AssertionError(f"{outcome} is a number")

    asyncio.run(scenario())
