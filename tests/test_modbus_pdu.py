"""The Modbus PDU: what is asked, and which answers are refused in which words."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from pilotwire.protocols.modbus import (
    EXCEPTION_MEANINGS,
    ExceptionResponseError,
    LocalProtocolError,
    RemoteProtocolError,
    decode,
    parse_registers,
    read_holding_registers,
    read_input_registers,
    width,
)

REQUEST = read_input_registers(6, 2)


@pytest.mark.parametrize(("address", "count"), [(0, 1), (0, 125), (72, 2), (65535, 1), (65411, 125)])
def test_a_request_has_the_bytes_an_independent_implementation_sends(address: int, count: int) -> None:
    theirs_holding = ReadHoldingRegistersRequest(address=address, count=count)
    theirs_input = ReadInputRegistersRequest(address=address, count=count)
    assert read_holding_registers(address, count) == b"\x03" + theirs_holding.encode()
    assert read_input_registers(address, count) == b"\x04" + theirs_input.encode()


@pytest.mark.parametrize(
    ("address", "count", "text"),
    [
        (0, 0, "count 0 is out of range: 1 to 125"),
        (0, 126, "count 126 is out of range: 1 to 125"),
        (-1, 1, "address -1 with count 1 leaves the register range"),
        (65535, 2, "address 65535 with count 2 leaves the register range"),
    ],
)
def test_a_request_outside_the_protocol_is_refused_before_it_is_sent(address: int, count: int, text: str) -> None:
    for read in (read_holding_registers, read_input_registers):
        with pytest.raises(LocalProtocolError, match=text):
            read(address, count)


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_the_registers_of_an_answer_are_the_ones_that_were_packed(registers: list[int]) -> None:
    request = read_holding_registers(0, len(registers))
    answer = bytes((3, 2 * len(registers))) + struct.pack(f">{len(registers)}H", *registers)
    assert parse_registers(request, answer) == tuple(registers)


@pytest.mark.parametrize("code", sorted(EXCEPTION_MEANINGS))
def test_an_exception_response_names_its_code_and_meaning(code: int) -> None:
    with pytest.raises(ExceptionResponseError) as caught:
        parse_registers(REQUEST, bytes((0x84, code)))
    assert (caught.value.function, caught.value.code) == (4, code)
    assert f"function 4 was refused with exception {code} ({EXCEPTION_MEANINGS[code]}" in str(caught.value)


def test_an_exception_code_the_standard_does_not_know_is_still_reported() -> None:
    with pytest.raises(ExceptionResponseError, match=r"exception 99 \(a code the standard does not define"):
        parse_registers(REQUEST, b"\x84\x63")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "answer PDU of 0 bytes .empty., expected at least 2"),
        (b"\x04", "answer PDU of 1 bytes .04., expected at least 2"),
        (b"\x04\x04\x00", "answer PDU of 3 bytes .04 04 00., expected 6"),
        (b"\x04\x04\x00\x01\x00\x02\x00", "expected 6"),
        (b"\x84", "expected 2"),
        (b"\x84\x02\x00", "expected 2"),
        (b"\x03\x04\x00\x01\x00\x02", "function code 3 came back, function 4 was asked"),
        (b"\x83\x02", "function code 131 came back"),
        (b"\x04\x02\x00\x01", "byte count 2 came back, 4 was expected for 2 registers"),
        (b"\x04\x00", "byte count 0 came back"),
    ],
)
def test_an_answer_that_does_not_fit_the_request_is_refused(answer: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        parse_registers(REQUEST, answer)


@pytest.mark.parametrize(
    ("kind", "registers", "order", "value"),
    [
        ("f32", (0x4366, 0x3334), "high_first", 230.2000122),
        ("f32", (0x3334, 0x4366), "low_first", 230.2000122),
        ("u16", (0xFFFF,), "high_first", 65535),
        ("i16", (0xFFFF,), "high_first", -1),
        ("u32", (0x0001, 0x0002), "high_first", 65538),
        ("u32", (0x0001, 0x0002), "low_first", 131073),
        ("i32", (0xFFFF, 0xFFFE), "high_first", -2),
    ],
)
def test_numbers_are_read_in_the_word_order_of_the_maker(
    kind: str, registers: tuple[int, ...], order: str, value: float
) -> None:
    assert width(kind) == len(registers)
    assert decode(kind, registers, order) == pytest.approx(value, rel=1e-9)


def test_a_float_that_is_no_number_comes_through_for_the_driver_to_refuse() -> None:
    assert math.isnan(decode("f32", (0x7FC0, 0)))
    assert decode("f32", (0xFF80, 0)) == -math.inf


def test_the_wrong_number_of_registers_or_an_unknown_order_is_an_error() -> None:
    with pytest.raises(ValueError, match="f32 takes 2 registers, got 1"):
        decode("f32", (1,))
    with pytest.raises(ValueError, match="only high_first and low_first exist"):
        decode("f32", (1, 2), "middle_first")
