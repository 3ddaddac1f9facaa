"""TCP framing: transaction ids, lengths, and messages that come too late."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotwire.protocols.modbus import LocalProtocolError, RemoteProtocolError, TcpClient, read_input_registers

REQUEST = read_input_registers(0, 2)
ANSWER = bytes.fromhex("04 04 43 66 33 34")


def adu(transaction: int, pdu: bytes = ANSWER, *, unit: int = 1, protocol: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">HHHB", transaction, protocol, 1 + len(pdu) if length is None else length, unit) + pdu


def asked() -> TcpClient:
    client = TcpClient()
    client.request(1, REQUEST)
    return client


def feed_byte_by_byte(client: TcpClient, stream: bytes) -> None:
    for byte in stream:
        assert client.receive(bytes((byte,))) is None


def test_a_request_carries_id_length_and_unit() -> None:
    client = TcpClient()
    assert client.request(17, REQUEST).hex(" ") == "00 01 00 00 00 06 11 04 00 00 00 02"
    client.abandon()
    assert client.request(17, REQUEST)[:2] == b"\x00\x02"


def test_transaction_ids_wrap_without_using_zero() -> None:
    client = TcpClient()
    seen = set()
    for _ in range(0x10000):
        seen.add(client.request(1, REQUEST)[:2])
        client.abandon()
    assert len(seen) == 0xFFFF
    assert b"\x00\x00" not in seen


@given(st.lists(st.integers(0, 40), max_size=8))
def test_however_the_stream_is_cut_the_answer_is_the_same(cuts: list[int]) -> None:
    stream = adu(9) + adu(1) + adu(4)
    edges = [0, *sorted(cuts), len(stream)]
    client = asked()
    answers = [client.receive(stream[start:end]) for start, end in itertools.pairwise(edges)]
    assert [answer for answer in answers if answer is not None] == [ANSWER]


def test_late_and_foreign_transactions_are_dropped_and_counted() -> None:
    client = asked()
    client.abandon()
    client.request(1, REQUEST)
    other = bytes.fromhex("04 04 00 00 00 00")
    assert client.receive(adu(1, other) + adu(7, b"\x06\x00") + adu(2)) == ANSWER
    assert client.dropped == 2
    assert client.receive(adu(2, other)) is None, "an answer is given once"
    assert client.dropped == 3


def test_an_exception_response_is_an_answer() -> None:
    assert asked().receive(adu(1, b"\x84\x03")) == b"\x84\x03"


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"HTTP/1.1 400 Bad Request", "protocol id 21584 in the header, Modbus is 0"),
        (adu(1, length=1), "length 1 in the header is out of range: 2 to 254"),
        (adu(1, length=255), "length 255 in the header is out of range"),
        (adu(1, unit=2), "unit 2 answered, unit 1 was asked"),
        (adu(1, b"\x03" + ANSWER[1:]), "function code 3 came back"),
        (adu(1, b"\x04\x02\x00\x00"), "byte count 2 came back"),
        (adu(1, ANSWER[:-1]), "do not fit together"),
        (adu(1, b"\x04"), "do not fit together"),
    ],
)
def test_a_message_that_is_no_answer_is_a_clear_error(stream: bytes, text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=text):
        asked().receive(stream)
    with pytest.raises(RemoteProtocolError, match=text):
        feed_byte_by_byte(asked(), stream)


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="unit 256 is out of range: 0 to 255"):
        TcpClient().request(256, REQUEST)
    with pytest.raises(LocalProtocolError, match="not a read request"):
        TcpClient().request(1, b"\x05")
    with pytest.raises(LocalProtocolError, match="still waiting"):
        asked().request(1, REQUEST)


def test_giving_up_tells_how_far_the_answer_had_come() -> None:
    client = asked()
    assert client.receive(adu(1)[:9]) is None
    assert client.abandon() == adu(1)[:9]
