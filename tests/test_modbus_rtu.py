"""RTU framing: checked against the CRC of pymodbus, whole and in pieces, good and bad."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from pilotwire.protocols.modbus import LocalProtocolError, RemoteProtocolError, RtuClient, crc16, read_input_registers

REQUEST = read_input_registers(0, 2)
ANSWER = bytes.fromhex("04 04 43 66 33 34")


def adu(unit: int, pdu: bytes) -> bytes:
    """The frame as pymodbus would send it."""
    body = bytes((unit,)) + pdu
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def outcome(pieces: Iterable[bytes], *, unit: int = 1, request: bytes = REQUEST) -> tuple[list[bytes], str]:
    """Every answer, and the error if one came, when the line delivers these pieces."""
    client = RtuClient()
    client.request(unit, request)
    answers: list[bytes] = []
    try:
        for piece in pieces:
            answer = client.receive(piece)
            if answer is not None:
                answers.append(answer)
    except RemoteProtocolError as error:
        return answers, str(error)
    return answers, ""


GOOD = adu(1, ANSWER)
EXCEPTION = adu(1, b"\x84\x02")
LINES = [
    (GOOD, [ANSWER], ""),
    (EXCEPTION, [b"\x84\x02"], ""),
    (GOOD + b"\xff\x00\x01", [ANSWER], ""),
    (GOOD + GOOD, [ANSWER], ""),
    (b"", [], ""),
    (GOOD[:-1], [], ""),
    (GOOD[:-1] + bytes((GOOD[-1] ^ 1,)), [], "CRC of the answer is"),
    (GOOD[:4] + b"\x00" + GOOD[5:], [], "damaged on the line"),
    (adu(2, ANSWER), [], "begins with 0x02 instead of unit 1: another unit answered, or there was noise"),
    (b"\x00" + GOOD, [], "begins with 0x00 instead of unit 1"),
    (b"\xff\xff" + GOOD, [], "begins with 0xff instead of unit 1"),
    (adu(1, b"\x03" + ANSWER[1:]), [], "function code 3 came back, function 4 was asked for"),
    (adu(1, REQUEST) + GOOD, [], "an adapter that echoes"),
    (adu(1, bytes.fromhex("04 06 00 00 00 00 00 00")), [], "byte count 6 came back, 4 was expected"),
]


@given(st.binary(max_size=300))
def test_the_crc_is_the_one_an_independent_implementation_computes(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_the_crc_of_the_published_check_string_is_right() -> None:
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize(("line", "answers", "error"), LINES)
def test_a_line_gives_its_answer_or_a_clear_error(line: bytes, answers: list[bytes], error: str) -> None:
    got, text = outcome([line])
    assert got == answers
    assert error in text
    assert bool(error) == bool(text)


@pytest.mark.parametrize(("line", "answers", "error"), LINES)
def test_byte_by_byte_gives_the_same_as_whole(line: bytes, answers: list[bytes], error: str) -> None:
    assert outcome([line]) == outcome([bytes((byte,)) for byte in line])


@given(st.binary(max_size=24), st.lists(st.integers(0, 30), max_size=6), st.sampled_from([b"", GOOD, EXCEPTION]))
def test_any_noise_cut_anyhow_gives_the_same_as_whole(tail: bytes, cuts: list[int], head: bytes) -> None:
    line = head + tail
    edges = [0, *sorted(min(cut, len(line)) for cut in cuts), len(line)]
    pieces = [line[start:end] for start, end in itertools.pairwise(edges)]
    assert outcome(pieces) == outcome([line])


@given(st.integers(1, 247), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_every_sound_frame_comes_through(unit: int, registers: list[int]) -> None:
    pdu = bytes((4, 2 * len(registers))) + b"".join(register.to_bytes(2, "big") for register in registers)
    assert outcome([adu(unit, pdu)], unit=unit, request=read_input_registers(0, len(registers))) == ([pdu], "")


@given(st.integers(0, 8 * len(GOOD) - 1))
def test_no_frame_with_one_flipped_bit_is_taken_for_an_answer(bit: int) -> None:
    damaged = bytearray(GOOD)
    damaged[bit // 8] ^= 1 << bit % 8
    answers, _ = outcome([bytes(damaged)])
    assert answers == []


@given(st.integers(1, 247), st.integers(0, 65000), st.integers(1, 125))
def test_a_request_is_framed_as_an_independent_implementation_frames_it(unit: int, address: int, count: int) -> None:
    pdu = read_input_registers(address, count)
    assert RtuClient().request(unit, pdu) == adu(unit, pdu)


@pytest.mark.parametrize("unit", [-1, 0, 248, 256])
def test_a_unit_that_cannot_answer_is_refused(unit: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"unit {unit} is out of range: 1 to 247"):
        RtuClient().request(unit, REQUEST)


@pytest.mark.parametrize("pdu", [b"", b"\x04", b"\x06\x00\x00\x00\x01", REQUEST + b"\x00"])
def test_a_pdu_that_is_no_read_request_is_refused(pdu: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="not a read request of function 3 or 4"):
        RtuClient().request(1, pdu)


def test_a_second_request_waits_until_the_first_is_answered_or_given_up() -> None:
    client = RtuClient()
    client.request(1, REQUEST)
    with pytest.raises(LocalProtocolError, match="still waiting"):
        client.request(1, REQUEST)
    assert client.receive(GOOD[:3]) is None
    assert client.abandon() == GOOD[:3]
    assert client.receive(GOOD[3:]) is None, "nobody waits for the rest of an answer that was given up"
    client.request(1, REQUEST)
    assert client.receive(GOOD) == ANSWER
    client.request(1, REQUEST)
    with pytest.raises(RemoteProtocolError):
        client.receive(b"\x00")
    client.request(1, REQUEST)
