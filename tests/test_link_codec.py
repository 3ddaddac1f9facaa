"""COBS, the CBOR subset and frames: against cbor2, on random data, damaged at every byte and in every segmentation."""

from __future__ import annotations

import binascii
import random

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilotwire.protocols.link import cbor, cobs, frame

INTEGERS = st.integers(-(2**32), 2**32 - 1)
SCALARS = st.one_of(INTEGERS, st.booleans(), st.binary(max_size=300), st.text(max_size=100))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=30), max_leaves=40).filter(
    lambda v: nesting(v) <= 4
)

HELLO = [1, 7, 1, 268435455, "pilotwire pilot on micropython 1.29.0"]
STATE = [2, 65535, 300, 12345678, 1073741823, 3, 2, 6000, -12000, 2666, 15996, 1, 1, 950, 0, 64, 17, 32000, 6]
LEASE = [3, 40000, 65535, 12345678, 1073741823, 1, 16000, 1000, 3, 0]
MESSAGES: list[list[object]] = [HELLO, [*STATE], [*LEASE]]


def nesting(value: object) -> int:
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


# COBS


@given(st.one_of(st.binary(max_size=1200), st.lists(st.sampled_from((0, 0, 1, 255)), max_size=600).map(bytes)))
@example(b"")
@example(b"\0")
@example(b"\1" * 253)
@example(b"\1" * 254)
@example(b"\1" * 255)
@example(b"\1" * 254 + b"\0")
@example(b"\0" + b"\1" * 508)
def test_cobs_gives_back_what_went_in_and_never_contains_zero(data: bytes) -> None:
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + 1 + len(data) // 254
    assert bytes(cobs.decode(stuffed) or b"") == data


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [  # the worked examples of Cheshire and Baker's paper, as bytes
        (b"\x00", b"\x01\x01"),
        (b"\x00\x00", b"\x01\x01\x01"),
        (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
        (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255)) + b"\x01"),
    ],
)
def test_cobs_stuffs_the_known_examples(data: bytes, stuffed: bytes) -> None:
    assert cobs.encode(data) == stuffed


@given(st.binary(max_size=600))
def test_cobs_decodes_anything_to_bytes_or_none(stuffed: bytes) -> None:
    data = cobs.decode(stuffed)
    if data is not None and stuffed:
        # the closing 1 after a full block may be missing, otherwise there is one way to stuff
        assert cobs.encode(data) in (stuffed, stuffed + b"\1")


@pytest.mark.parametrize("stuffed", [b"\0", b"\2\0", b"\3\1", b"\xff\1", b"\2\1\0", b"\1\0\1"])
def test_cobs_refuses_zeros_and_blocks_cut_off(stuffed: bytes) -> None:
    assert cobs.decode(stuffed) is None


# CBOR


@given(VALUES)
def test_cbor_writes_what_cbor2_writes_and_reads_it_back(value: object) -> None:
    data = cbor.encode(value)
    assert data == cbor2.dumps(value)
    assert cbor.decode(data) == value
    assert cbor2.loads(bytes(data)) == value


@given(st.binary(max_size=60))
def test_cbor_reads_random_bytes_as_cbor2_does_or_refuses_them(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except cbor.CborError:
        return
    assert cbor2.loads(data) == value
    assert cbor.encode(value) == data, "one value has one form"


@given(VALUES, st.data())
def test_cbor_refuses_what_is_cut_off_or_followed_by_more(value: object, draw: st.DataObject) -> None:
    data = bytes(cbor.encode(value))
    with pytest.raises(cbor.CborError, match="left over"):
        cbor.decode(data + b"\0")
    with pytest.raises(cbor.CborError):
        cbor.decode(data[: draw.draw(st.integers(0, len(data) - 1))])


@pytest.mark.parametrize("value", [1.5, None, {}, {1: 2}, 2**32, -(2**32) - 1, cbor2.CBORTag(1, 2), cbor2.undefined])
def test_cbor_outside_the_subset_is_refused_when_read(value: object) -> None:
    with pytest.raises(cbor.CborError, match=r"subset|not supported"):
        cbor.decode(cbor2.dumps(value))


@pytest.mark.parametrize("value", [1.5, None, {}, {1: 2}, object(), 2**32, -(2**32) - 1, [[1, [None]]]])
def test_cbor_outside_the_subset_is_refused_when_written(value: object) -> None:
    with pytest.raises(cbor.CborError):
        cbor.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"\x18\x17",  # 23 in two bytes
        b"\x19\x00\xff",
        b"\x1a\x00\x00\xff\xff",
        b"\x58\x01a",
        b"\x98\x01\x01",
        b"\x9f\x01\xff",  # indefinite
        b"\x5f\xff",
        b"\x7f\xff",
        b"\x62\xff\xff",  # not UTF-8
        b"\x9a\xff\xff\xff\xff",  # an array of four thousand millions
        b"\x5a\xff\xff\xff\xff",
        b"",
    ],
)
def test_cbor_refuses_long_forms_indefinite_lengths_and_lies(data: bytes) -> None:
    with pytest.raises(cbor.CborError):
        cbor.decode(data)


def test_cbor_nests_four_deep_and_no_deeper_both_ways() -> None:
    deep: object = 1
    for _ in range(4):
        deep = [deep]
    assert cbor.decode(cbor.encode(deep)) == deep
    too_deep: object
    for too_deep in ([deep], [[[[[]]]]]):
        with pytest.raises(cbor.CborError, match="deep"):
            cbor.encode(too_deep)
        with pytest.raises(cbor.CborError, match="deep"):
            cbor.decode(cbor2.dumps(too_deep))


# Frames


def read(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


@given(st.lists(VALUES, min_size=1, max_size=8).filter(lambda message: nesting(message) <= 4))
def test_a_frame_carries_any_array_that_is_short_enough(message: list[object]) -> None:
    data = frame.encode(message)
    assert data.count(0) == 1
    assert data.endswith(b"\0")
    assert read(data) == ([message] if len(data) <= frame.MAX_FRAME + 1 else [])


def test_the_check_is_crc_32_over_the_cbor_bytes() -> None:
    body = cobs.decode(frame.encode([*LEASE])[:-1])
    assert body is not None
    assert body[:-4] == cbor2.dumps(LEASE)
    assert int.from_bytes(body[-4:], "big") == binascii.crc32(cbor2.dumps(LEASE))


@pytest.mark.parametrize("message", MESSAGES, ids=["HELLO", "STATE", "LEASE"])
def test_every_damage_of_one_byte_is_rejected(message: list[object]) -> None:
    before: list[object] = [3, 1, 2]
    after: list[object] = [3, 3, 4]
    good = frame.encode(message)
    head, tail = frame.encode(before), frame.encode(after)
    for at in range(len(good)):
        for byte in range(256):
            if byte == good[at]:
                continue
            reader = frame.FrameReader()
            seen = reader.receive(head + good[:at] + bytes((byte,)) + good[at + 1 :] + tail)
            # a damaged delimiter joins two frames, then both are lost
            assert seen == ([before] if at == len(good) - 1 else [before, after]), (at, byte)
            assert reader.rejected >= 1


@pytest.mark.parametrize("message", MESSAGES, ids=["HELLO", "STATE", "LEASE"])
def test_every_truncation_and_every_lost_or_doubled_byte_is_rejected(message: list[object]) -> None:
    good = frame.encode(message)
    for size in range(1, len(good) - 1):
        assert read(good[:size] + b"\0" + good) == [message], size
        assert read(good[size:] + good) == [message], size
        assert read(good[:size] + good[size + 1 :] + good) == [message], size
        if good[size] != good[size + 1]:
            assert read(good[: size + 1] + good[size:] + good) == [message], size


@given(st.lists(st.sampled_from(MESSAGES), max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_any_segmentation_equals_the_whole(sent: list[list[object]], sizes: list[int]) -> None:
    stream = b"".join(frame.encode(message) for message in sent)
    reader = frame.FrameReader()
    seen, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        seen += reader.receive(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert seen == sent
    assert reader.rejected == 0


def test_byte_by_byte_equals_the_whole_with_noise_between_the_frames() -> None:
    rng = random.Random(1)
    stream = b""
    for message in MESSAGES * 3:
        stream += rng.randbytes(rng.randrange(400)) + b"\0" + frame.encode(message)
    whole, bytewise = frame.FrameReader(), frame.FrameReader()
    seen = [message for byte in stream for message in bytewise.receive(bytes((byte,)))]
    assert seen == whole.receive(stream) == MESSAGES * 3
    assert whole.rejected == bytewise.rejected


@pytest.mark.parametrize("size", [255, 256, 257, 300, 100_000])
def test_noise_longer_than_any_frame_is_one_rejected_frame(size: int) -> None:
    reader = frame.FrameReader()
    assert reader.receive(b"\x55" * size) == []
    assert reader.receive(b"\0" + frame.encode([*LEASE])) == [LEASE]
    assert reader.rejected == 1
    # and without a delimiter in between the noise costs the frame that follows it, but not the next
    assert reader.receive(b"\x55" * size + frame.encode([*LEASE]) + frame.encode([*STATE])) == [STATE]
    assert reader.rejected == 2


def test_the_longest_frame_is_read_and_not_if_more_bytes_hang_on_it() -> None:
    message: list[object] = [b"\0" * 248]
    longest = frame.encode(message)
    assert len(longest) == frame.MAX_FRAME + 1
    assert read(longest) == [message]
    assert read(longest[:-1] + b"\x55\0") == []
    assert read(frame.encode([b"\0" * 249])) == []


@given(st.lists(st.binary(max_size=700), max_size=5))
def test_random_bytes_never_raise_and_never_pass(chunks: list[bytes]) -> None:
    reader = frame.FrameReader()
    for chunk in chunks:
        assert reader.receive(chunk) == []
    assert reader.receive(b"\0" + frame.encode([*LEASE])) == [LEASE]


@pytest.mark.parametrize("value", [5, "text", b"bytes", True, []], ids=repr)
def test_a_good_check_around_anything_but_an_array_with_items_is_rejected(value: object) -> None:
    body = cbor.encode(value)
    body.extend(binascii.crc32(body).to_bytes(4, "big"))
    assert read(bytes(cobs.encode(body)) + b"\0") == []


def test_a_good_check_around_what_is_not_cbor_is_rejected() -> None:
    for body in (b"", b"\xff", b"\x83\x01\x02", b"\xa1\x01\x02", b"\x83\x01\x02\x03\x04"):
        checked = body + binascii.crc32(body).to_bytes(4, "big")
        assert read(bytes(cobs.encode(checked)) + b"\0") == []


def test_empty_frames_are_silence() -> None:
    reader = frame.FrameReader()
    assert reader.receive(b"\0" * 1000 + frame.encode([*LEASE]) + b"\0\0") == [LEASE]
    assert reader.rejected == 0
