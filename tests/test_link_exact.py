"""The link to the digit: wire numbers, lengths, times at their boundaries, what each side remembers and what it forgets.

Numbers are written out here, not taken from the code: they are the contract with whoever has written the other end.
"""

from __future__ import annotations

import binascii

import pytest

from pilotwire.protocols.link import cbor, cobs, frame, messages, pilot, station
from pilotwire.protocols.link.pilot import Identity, PilotLink
from pilotwire.protocols.link.station import (
    PilotForeign,
    PilotHello,
    PilotLost,
    PilotRefused,
    PilotResult,
    PilotStale,
    PilotState,
    PilotTaken,
    StationLink,
)

Message = list[object]
BOOT, SESSION = 77, 5
FIELDS = list(range(101, 116))  # pilot_ms .. bcb of a STATE, each another number
ROUND = 65536  # added to a sequence number, it changes nothing


def decoded(data: bytes) -> list[Message]:
    return frame.FrameReader().receive(data)


# Numbers

NUMBERS = {
    "VERSION": 3,
    "HELLO": 1,
    "STATE": 2,
    "LEASE": 3,
    "NARROW": 4,
    "COMMAND": 5,
    "RESULT": 6,
    "PERIOD_MS": 100,
    "QUIET_MS": 300,
    "DATA_MAX": 192,
    "OUT_CLOSE": 1,
    "OUT_PHASES": 2,
    "OUT_SUPPLY": 4,
    "OUT_CP_OFF": 8,
    "OUT_LOCK": 16,
    "OUT_VENT": 32,
    "OUT_RCD_TEST": 64,
    "IN_CONTACTS": 1,
    "IN_PHASES": 2,
    "IN_SIMPLIFIED": 4,
    "CAN_PHASES": 1,
    "CAN_SUPPLY": 2,
    "CAN_LOCK": 4,
    "CAN_RCD_TEST": 8,
    "CAN_UPDATE": 16,
    "CAN_CALIBRATE": 32,
    "RESET_UNKNOWN": 0,
    "RESET_POWER": 1,
    "RESET_WATCHDOG": 2,
    "RESET_COMMAND": 3,
    "RESET_TRIAL": 4,
    "RESET_REVERTED": 5,
    "PING": 1,
    "RAW_READ": 10,
    "CALIBRATION_READ": 11,
    "CALIBRATION_WRITE": 12,
    "UPDATE_BEGIN": 20,
    "UPDATE_DATA": 21,
    "UPDATE_COMMIT": 22,
    "UPDATE_ABORT": 23,
    "OK": 0,
    "UNKNOWN": 1,
    "REFUSED": 2,
    "BUSY": 3,
    "BAD": 4,
}


def test_every_number_on_the_wire_is_the_one_of_version_3() -> None:
    found = {name: value for name, value in vars(messages).items() if name[0] != "_" and isinstance(value, int)}
    assert found == NUMBERS


def test_every_reason_of_a_reset_has_its_words() -> None:
    assert messages.RESET_NAMES == {
        0: "unknown",
        1: "power on",
        2: "watchdog",
        3: "asked for",
        4: "first start of a new program",
        5: "a new program was not taken over",
    }


def test_the_times_and_limits_are_those_of_the_page() -> None:
    assert (pilot.HELLO_MS, pilot.QUIET_MAX_MS, pilot.RESYNC_MS) == (500, 60000, 10000)
    assert (station.HELLO_MS, station.LOST_MS, station.COMMAND_MS, station.COMMAND_LOST_MS) == (200, 400, 200, 2000)
    assert (station.LOST, station.REQUEST_REPEATS, station.REQUEST_CLEAR) == (-1, 3, 1)
    assert (frame.MAX_FRAME, cbor.MAX_DEPTH, cobs.DELIMITER) == (256, 4, 0)


MOST = (1 << 30) - 1
GOOD: dict[str, Message] = {
    "HELLO": [1, 1, 3, BOOT, "program", b"u", b"h", 17, 2, b"c", SESSION],
    "STATE": [2, *range(1, 22)],
    "LEASE": [3, *range(1, 11)],
    "NARROW": [4, *range(1, 7)],
    "COMMAND": [5, 1, 2, 3, 4, 5, 6, 7, b"data"],
    "RESULT": [6, 1, 2, 3, 4, 5, 6, 7, b"data"],
}


@pytest.mark.parametrize("message", GOOD.values(), ids=GOOD)
def test_a_message_has_exactly_its_length(message: Message) -> None:
    assert messages.is_valid(message)
    assert [size for size in range(1, 40) if messages.is_valid([*message, *[0] * 40][:size])] == [len(message)]


@pytest.mark.parametrize("message", GOOD.values(), ids=GOOD)
def test_a_number_is_below_2_to_the_30_and_nothing_stands_where_something_else_belongs(message: Message) -> None:
    for place, item in enumerate(message[1:], 1):

        def fits(value: object, place: int = place) -> bool:
            return messages.is_valid([*message[:place], value, *message[place + 1 :]])

        is_number = isinstance(item, int)
        version = is_number and message[0] == 1 and place == 2  # of another version only the first five items are known
        assert [fits(value) for value in (MOST, -MOST)] == [is_number, is_number], place
        assert not fits(MOST + 1), place
        assert not fits(-MOST - 1), place
        assert [fits(b""), fits("")] == [isinstance(item, bytes), isinstance(item, str)], place
        assert not fits([]), place
        assert fits(4) is (is_number or version), place


@pytest.mark.parametrize("kind", [-1, 0, 7, 8, "STATE", b"\2", [2]], ids=repr)
def test_there_is_no_other_kind(kind: object) -> None:
    assert not any(messages.is_valid([kind, *range(1, size)]) for size in range(1, 40))


@pytest.mark.parametrize("kind", [5, 6])
@pytest.mark.parametrize("data", ["text", [1], 0, bytes(193)], ids=["text", "array", "number", "193 bytes"])
def test_the_data_of_a_command_or_result_are_192_bytes_at_most(kind: int, data: object) -> None:
    assert messages.is_valid([kind, 1, 2, 3, 4, 5, 6, 7, bytes(192)])
    assert not messages.is_valid([kind, 1, 2, 3, 4, 5, 6, 7, data])


@pytest.mark.parametrize(
    ("head", "valid"),
    [
        ([1, 1, 4, 77, "x"], True),
        ([1, 1, 4, 77, "x", {}, None], True),
        ([1, 1, 4, 77], False),
        ([1, 1, 4, 77, b"x"], False),
        ([1, 1, 4, "77", "x"], False),
        ([1, 1, "4", 77, "x"], False),
        ([1, "1", 4, 77, "x"], False),
        ([1, 1, 3, 77, "x"], False),
    ],
    ids=str,
)
def test_of_a_hello_of_another_version_the_first_five_items_count(head: Message, valid: bool) -> None:
    assert messages.is_valid(head) is valid


@pytest.mark.parametrize("last", [0, 1, 32767, 32768, 65535])
def test_of_two_sequence_numbers_the_one_that_is_less_than_half_a_round_ahead_is_newer(last: int) -> None:
    ahead = {1: True, 32767: True, 0: False, 32768: False, 32769: False, 65535: False}
    assert {by: messages.newer((last + by) % 65536, last) for by in ahead} == ahead


# Bytes

CBOR: list[tuple[object, str]] = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (65535, "19ffff"),
    (65536, "1a00010000"),
    (2**32 - 1, "1affffffff"),
    (-1, "20"),
    (-24, "37"),
    (-25, "3818"),
    (-256, "38ff"),
    (-257, "390100"),
    (-(2**32), "3affffffff"),
    (True, "f5"),
    (False, "f4"),
    (b"", "40"),
    (b"a" * 23, "57" + "61" * 23),
    (b"a" * 24, "5818" + "61" * 24),
    (b"a" * 255, "58ff" + "61" * 255),
    (b"a" * 256, "590100" + "61" * 256),
    ("é", "62c3a9"),
    ("a" * 24, "7818" + "61" * 24),
    ([], "80"),
    ([1, [False]], "820181f4"),
    ([0] * 24, "9818" + "00" * 24),
]


@pytest.mark.parametrize(("value", "data"), CBOR, ids=[data[:10] for _, data in CBOR])
def test_cbor_heads_change_their_size_at_24_256_and_65536(value: object, data: str) -> None:
    assert cbor.encode(value).hex() == data
    back = cbor.decode(bytes.fromhex(data))
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize(("value", "data"), [(bytearray(b"ab"), b"\x42ab"), ((1, 2), b"\x82\1\2")], ids=repr)
def test_cbor_takes_a_bytearray_for_bytes_and_a_tuple_for_an_array(value: object, data: bytes) -> None:
    assert cbor.encode(value) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "ends too early at byte 0"),
        ("82", "array too deep or too long at byte 1"),
        ("8201", "array too deep or too long at byte 1"),
        ("82010100", "bytes left over from 3"),
        ("828101", "ends too early at byte 3"),
        ("818181818101", "array too deep or too long at byte 5"),
        ("9affffffff00", "array too deep or too long at byte 5"),
        ("4161 00", "bytes left over from 2"),
        ("426100 00", "bytes left over from 3"),
        ("4261", "string ends too early at byte 1"),
        ("6261", "string ends too early at byte 1"),
        ("8161", "string ends too early at byte 2"),
        ("62ffff", "text is not UTF-8 at byte 1"),
        ("18", "length not supported or cut off at byte 1"),
        ("1901", "length not supported or cut off at byte 1"),
        ("1a010000", "length not supported or cut off at byte 1"),
        ("1bffffffffffffffff", "length not supported or cut off at byte 1"),
        ("9f", "length not supported or cut off at byte 1"),
        ("1817", "number not in its shortest form at byte 1"),
        ("1900ff", "number not in its shortest form at byte 1"),
        ("1a0000ffff", "number not in its shortest form at byte 1"),
        ("a0", "type not in the link's CBOR subset at byte 1"),
        ("f6", "type not in the link's CBOR subset at byte 1"),
    ],
)
def test_cbor_says_what_is_wrong_and_at_which_byte(data: str, reason: str) -> None:
    with pytest.raises(cbor.CborError) as refused:
        cbor.decode(bytes.fromhex(data))
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "type not in the link's CBOR subset"),
        (2**32, "integer does not fit into 32 bits"),
        (-(2**32) - 1, "integer does not fit into 32 bits"),
        ([[[[[]]]]], "arrays nest deeper than 4"),
    ],
    ids=repr,
)
def test_cbor_says_why_it_does_not_write_a_value(value: object, reason: str) -> None:
    with pytest.raises(cbor.CborError) as refused:
        cbor.encode(value)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"a" * 253, b"\xfe" + b"a" * 253),
        (b"a" * 254, b"\xff" + b"a" * 254 + b"\x01"),
        (b"a" * 255, b"\xff" + b"a" * 254 + b"\x02a"),
        (b"a" * 253 + b"\0", b"\xfe" + b"a" * 253 + b"\x01"),
        (b"a" * 254 + b"\0", b"\xff" + b"a" * 254 + b"\x01\x01"),
        (b"a" * 254 + b"\0b", b"\xff" + b"a" * 254 + b"\x01\x02b"),
    ],
    ids=["nothing", "0", "253", "254", "255", "253 and 0", "254 and 0", "254, 0 and 1"],
)
def test_cobs_puts_no_zero_after_a_full_block_of_254(data: bytes, stuffed: bytes) -> None:
    assert bytes(cobs.encode(data)) == stuffed
    assert bytes(cobs.decode(stuffed) or b"") == data


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ([1], "07 81 01 14 46 8b 63 00"),
        ([3, 8, 41, 19088743], "0f 84 03 08 18 29 1a 01 23 45 67 64 a1 3f 6e 00"),
        ([5, 9, b"\0hi"], "05 83 05 09 43 07 68 69 69 a4 13 53 00"),
    ],
    ids=["the shortest", "numbers", "a zero inside"],
)
def test_a_frame_has_exactly_these_bytes(message: Message, data: str) -> None:
    assert frame.encode(message).hex(" ") == data
    assert decoded(bytes.fromhex(data)) == [message]


@pytest.mark.parametrize("body", [b"", b"\x80", b"\1", b"\xf5", b"\x81"], ids=bytes.hex)
def test_nothing_shorter_than_an_array_of_one_item_is_a_message(body: bytes) -> None:
    reader = frame.FrameReader()
    check = binascii.crc32(body).to_bytes(4, "big")
    for size in range(1, 5):  # the whole, and checks that are cut off
        assert reader.receive(bytes(cobs.encode(body + check[:size])) + b"\0") == []
        assert reader.rejected == size


def test_a_frame_whose_check_is_wrong_is_rejected_and_the_next_one_is_not() -> None:
    good = frame.encode([3, 8])
    body = bytes(cobs.decode(good[:-1]) or b"")
    for place in range(32):
        check = (int.from_bytes(body[-4:], "big") ^ 1 << place).to_bytes(4, "big")
        reader = frame.FrameReader()
        assert reader.receive(bytes(cobs.encode(body[:-4] + check)) + b"\0" + good) == [[3, 8]]
        assert reader.rejected == 1


def test_nothing_between_two_zeros_is_no_frame_and_no_error() -> None:
    reader = frame.FrameReader()
    assert reader.receive(b"\0\0" + frame.encode([1]) + b"\0\0\0") == [[1]]
    assert reader.rejected == 0


# The pilot's side


class AtPilot:
    """A pilot's end, spoken to in messages."""

    def __init__(self, *, bound: bool = True) -> None:
        self.link = PilotLink(BOOT, Identity("pilot", b"id"))
        if bound:
            self.hear(hello(1))

    def hear(self, *said: Message) -> list[Message]:
        """What it answers."""
        self.link.receive(b"".join(frame.encode(message) for message in said))
        return self.says()

    def says(self) -> list[Message]:
        return decoded(self.link.data_to_send())

    def state(self) -> Message:
        """The STATE that it says now."""
        self.link.send_state(FIELDS)
        (message,) = self.says()
        return message

    def ack(self) -> object:
        return self.state()[2]


def hello(seq: int, session: int = SESSION, version: int = 3) -> Message:
    """From the station."""
    return [1, seq, version, session, "station", b"", b"", 0, 0, b"", 0]


def lease(seq: int, *, requests: int = 0, session: int = SESSION) -> Message:
    return [3, seq, 9, BOOT, session, 11, 1, 16000, 1000, 3, requests]


def narrow(seq: int, session: int = SESSION) -> Message:
    return [4, seq, 9, BOOT, session, 2, 12]


def command(seq: int, ident: int, session: int = SESSION) -> Message:
    return [5, seq, 9, BOOT, session, ident, 20, 21, b"data"]


LEASE = [1, 16000, 1000, 3, 11, 0]
ASKED = (20, 21, b"data")


def test_a_pilot_that_has_started_knows_nobody_and_has_nothing_to_give() -> None:
    at = AtPilot(bound=False)
    link = at.link
    assert (link.boot, link.peer_ok, link.session, link.quiet_ms, link.rejected) == (BOOT, False, 0, 0, 0)
    assert (link.take_lease(), link.take_narrowings(), link.take_command()) == (None, [], None)
    link.send_state(FIELDS)
    assert at.says() == []
    link.send_hello()
    assert at.says() == [[1, 1, 3, BOOT, "pilot", b"id", b"", 0, 0, b"", 0]]


@pytest.mark.parametrize(
    "said", [lease(1, session=0), narrow(1, 0), command(1, 1, 0)], ids=["lease", "narrow", "command"]
)
def test_an_unbound_pilot_obeys_nobody_not_even_session_0(said: Message) -> None:
    at = AtPilot(bound=False)
    at.link.pass_time(5)
    assert at.hear(said) == []
    assert (at.link.take_lease(), at.link.take_narrowings(), at.link.take_command()) == (None, [], None)
    assert at.link.quiet_ms == 5


def test_what_a_pilot_says_is_counted_from_1_and_every_item_has_its_place() -> None:
    at = AtPilot(bound=False)
    assert at.hear(hello(21)) == [[1, 1, 3, BOOT, "pilot", b"id", b"", 0, 0, b"", SESSION]]
    at.link.pass_time(40)
    at.link.receive(b"\1\1\0")
    assert at.state() == [2, 2, 21, BOOT, SESSION, *FIELDS, 40, 1]
    at.hear(command(22, 6))
    at.link.take_command()
    at.link.answer(2, 7, b"why")
    assert at.says() == [[6, 3, 22, BOOT, SESSION, 6, 2, 7, b"why"]]


FROM_OTHERS: dict[str, list[tuple[tuple[int | None, int], tuple[int, int], tuple[int, int]]]] = {
    # pilot before: how long it has heard nothing; HELLO: session, version; after: session, quiet_ms
    "unbound": [
        ((None, 7), (5, 3), (5, 0)),
        ((None, 7), (0, 3), (0, 7)),
        ((None, 7), (5, 4), (0, 7)),
        ((None, 7), (0, 4), (0, 7)),
    ],
    "bound to 5, quiet for less than 300 ms": [
        ((5, 299), (5, 3), (5, 0)),
        ((5, 299), (6, 3), (5, 299)),
        ((5, 299), (0, 3), (5, 299)),
        ((5, 299), (6, 4), (5, 299)),
        ((5, 299), (5, 4), (0, 299)),
    ],
    "bound to 5, quiet for 300 ms": [
        ((5, 300), (5, 3), (5, 0)),
        ((5, 300), (6, 3), (6, 0)),
        ((5, 300), (0, 3), (0, 300)),
        ((5, 300), (6, 4), (0, 300)),
        ((5, 300), (5, 4), (0, 300)),
    ],
}


@pytest.mark.parametrize(("before", "said", "after"), [row for rows in FROM_OTHERS.values() for row in rows], ids=str)
def test_each_hello_binds_unbinds_or_is_refused_and_is_answered_by_one_hello(
    before: tuple[int | None, int], said: tuple[int, int], after: tuple[int, int]
) -> None:
    at = AtPilot(bound=before[0] is not None)
    at.link.pass_time(before[1])
    answer = at.hear(hello(ROUND + 21, *said))
    link = at.link
    assert (link.session, link.quiet_ms, link.peer_ok) == (*after, after[0] != 0)
    assert [(message[0], message[10]) for message in answer] == [(1, after[0])]
    if link.peer_ok:
        assert at.ack() == (21 if after[1] == 0 else 1), "a refused HELLO is not acknowledged"
    else:
        link.send_state(FIELDS)
        assert at.says() == []


@pytest.mark.parametrize(
    "said", [lease(ROUND + 31), narrow(ROUND + 31), command(ROUND + 31, 1)], ids=["lease", "narrow", "command"]
)
def test_what_its_station_says_is_acknowledged_and_ends_the_silence(said: Message) -> None:
    at = AtPilot()
    at.link.pass_time(299)
    assert at.hear(said) == []
    assert at.link.quiet_ms == 0
    assert at.ack() == 31


@pytest.mark.parametrize("place", [3, 4])
@pytest.mark.parametrize("said", [lease(31), narrow(31), command(31, 1)], ids=["lease", "narrow", "command"])
def test_what_names_another_boot_or_session_counts_for_nothing(said: Message, place: int) -> None:
    at = AtPilot()
    at.link.pass_time(299)
    assert at.hear([*said[:place], 78, *said[place + 1 :]]) == []
    assert (at.link.take_lease(), at.link.take_narrowings(), at.link.take_command()) == (None, [], None)
    assert (at.link.quiet_ms, at.ack()) == (299, 1)


@pytest.mark.parametrize("kind", [2, 6])
def test_a_pilot_obeys_nothing_that_only_a_pilot_says(kind: int) -> None:
    at = AtPilot()
    at.link.pass_time(299)
    tail: Message = [*FIELDS, 0, 0] if kind == 2 else [1, 0, 0, b""]
    assert at.hear([kind, 31, 0, BOOT, SESSION, *tail]) == []
    assert (at.link.take_command(), at.link.quiet_ms, at.ack()) == (None, 299, 1)


def test_silence_is_counted_up_to_60_s() -> None:
    at = AtPilot()
    counted = []
    for ms in (59999, 1, 1):
        at.link.pass_time(ms)
        counted.append((at.link.quiet_ms, at.state()[20]))
    assert counted == [(59999, 59999), (60000, 60000), (60000, 60000)]


def with_everything() -> AtPilot:
    """A pilot whose station has said one of each, with number 500, and the pilot has taken none of it."""
    at = AtPilot()
    at.hear(lease(500), narrow(501), command(502, 500))
    return at


REBOUND = {
    "by another station after 300 ms": [(300, hello(1, 6))],
    "by the same station after another version of it": [(0, hello(1, 5, 4)), (0, hello(1))],
    "by the same station after session 0": [(300, hello(1, 0)), (0, hello(1))],
}


@pytest.mark.parametrize("steps", REBOUND.values(), ids=REBOUND)
@pytest.mark.parametrize("number", [1, 499, 500, 40000])
def test_a_new_binding_forgets_what_waits_and_every_number(steps: list[tuple[int, Message]], number: int) -> None:
    at = with_everything()
    for ms, said in steps:
        at.link.pass_time(ms)
        at.hear(said)
    session = at.link.session
    assert (at.link.take_lease(), at.link.take_narrowings(), at.link.take_command()) == (None, [], None)
    assert at.hear(lease(number, session=session), command(number, number, session)) == []
    assert at.link.take_lease() == LEASE
    assert at.link.take_command() == ASKED


def test_a_new_binding_never_repeats_a_result_to_the_next_station() -> None:
    at = with_everything()
    at.link.take_command()
    at.link.answer(0, 0, b"for session 5")
    at.says()
    at.link.pass_time(300)
    at.hear(hello(1, 6))
    assert at.hear(command(2, 500, 6)) == []
    assert at.link.take_command() == ASKED


def test_a_result_that_comes_after_another_station_was_bound_is_said_to_nobody() -> None:
    at = with_everything()
    at.link.take_command()
    at.link.pass_time(300)
    at.hear(hello(1, 6))
    at.link.answer(0, 0, b"for session 5")
    assert at.says() == []


def test_the_same_session_again_forgets_nothing() -> None:
    at = with_everything()
    at.hear(hello(503))
    assert (at.link.take_lease(), at.link.take_narrowings(), at.link.take_command()) == (LEASE, [(2, 12)], ASKED)
    at.link.answer(0, 8, b"done")
    at.says()
    at.hear(hello(504))
    at.hear(lease(500))
    assert at.link.take_lease() is None
    (again,) = at.hear(command(505, 500))
    assert again[5:] == [500, 0, 8, b"done"]
    assert at.link.take_command() is None


def test_a_lease_of_any_number_is_new_10_s_after_the_last_one_was_taken_and_not_before() -> None:
    at = AtPilot()
    at.hear(lease(20000))
    assert at.link.take_lease() == LEASE
    for ms, taken in ((9999, None), (1, LEASE), (9999, None), (1, LEASE), (30000, LEASE)):
        at.link.pass_time(ms)
        at.hear(lease(20000))
        assert at.link.take_lease() == taken, ms


def test_a_lease_after_number_0_is_not_one_from_before() -> None:
    at = AtPilot()
    assert at.hear(lease(ROUND), lease(ROUND - 1, requests=2)) == []
    assert at.link.take_lease() == LEASE


@pytest.mark.parametrize("first", [0, 1, 32767, 40000, 65535, ROUND + 9])
def test_the_first_command_may_have_any_id_and_its_result_names_it(first: int) -> None:
    at = AtPilot()
    at.hear(command(2, first))
    assert at.link.take_command() == ASKED
    at.link.answer(4, 0, b"")
    assert [message[5] for message in at.says()] == [first % ROUND]
    assert at.hear(command(3, (first - 1) % ROUND)) == []
    assert at.link.take_command() is None, "the one before"


def test_a_command_is_done_once_and_its_result_is_repeated_with_a_new_number() -> None:
    at = AtPilot()
    at.hear(command(2, 1), command(3, 1))
    assert at.link.take_command() == ASKED
    assert at.link.take_command() is None
    at.link.answer(0, 6, b"x")
    assert at.says() == [[6, 2, 3, BOOT, SESSION, 1, 0, 6, b"x"]]
    assert at.hear(command(4, 1)) == [[6, 3, 4, BOOT, SESSION, 1, 0, 6, b"x"]]
    assert at.link.take_command() is None


def test_a_busy_command_is_taken_again_when_it_is_said_again() -> None:
    at = AtPilot()
    at.hear(command(2, 1))
    for seq in (3, 4):
        assert at.link.take_command() == ASKED
        at.link.answer(3, 50, b"")
        assert [message[5:] for message in at.says()] == [[1, 3, 50, b""]]
        assert at.link.take_command() is None, "only when it is said again"
        assert at.hear(command(seq, 1)) == []
    assert at.link.take_command() == ASKED
    at.link.answer(0, 0, b"")
    at.says()
    assert [message[5:] for message in at.hear(command(5, 1))] == [[1, 0, 0, b""]]


def test_while_a_command_waits_no_other_takes_its_place() -> None:
    at = AtPilot()
    at.hear(command(2, 1), [5, 3, 9, BOOT, SESSION, 2, 30, 31, b"second"])
    assert at.link.take_command() == ASKED
    at.link.answer(0, 0, b"")
    at.says()
    assert at.hear([5, 4, 9, BOOT, SESSION, 2, 30, 31, b"second"]) == []
    assert at.link.take_command() == (30, 31, b"second")


def test_a_command_that_is_said_again_before_it_is_done_does_not_get_the_result_of_the_last_one() -> None:
    at = AtPilot()
    at.hear(command(2, 1))
    at.link.take_command()
    at.link.answer(0, 1, b"first")
    at.says()
    assert at.hear(command(3, 2), command(4, 2)) == []
    assert at.link.take_command() == ASKED


def test_an_identity_is_cut_to_what_fits_and_is_empty_where_nothing_is_given() -> None:
    long = Identity("x", b"u" * 17, b"h" * 9, parameter_crc=b"c" * 5)
    assert (long.unique_id, long.firmware_hash, long.parameter_crc) == (b"u" * 16, b"h" * 8, b"c" * 4)
    me = Identity("x" * 61)
    assert (me.program, me.unique_id, me.firmware_hash) == ("x" * 60, b"", b"")
    assert (me.capabilities, me.reset_reason, me.parameter_crc) == (0, 0, b"")


# The station's side


def pilot_hello(seq: int = 1, **other: object) -> Message:
    """From the pilot; a name of PLACES says what is different."""
    return different([1, seq, 3, BOOT, "pilot", b"id", b"hash", 63, 4, b"crc", SESSION], other)


PLACES = {"version": 2, "boot": 3, "session": 10, "unique_id": 5, "program": 4, "own_boot": 3, "own_session": 4}


def different(message: Message, other: dict[str, object]) -> Message:
    for name, value in other.items():
        message[PLACES[name]] = value
    return message


def state(seq: int, pilot_ms: int = 1000, **other: object) -> Message:
    fields = [pilot_ms, 1, 2, 9000, -12000, 2666, 16000, 1, 1, 700, 0, 3, 4, 32000, 6, 40, 2]
    return different([2, seq, 9, BOOT, SESSION, *fields], other)


def result(seq: int, ident: int, status: int = 0, number: int = 0, data: bytes = b"", **other: object) -> Message:
    return different([6, seq, 9, BOOT, SESSION, ident, status, number, data], other)


class AtStation:
    """A station's end, spoken to in messages; `now_ms` is its clock."""

    def __init__(self, *, met: bool = True, unique_id: bytes | None = None) -> None:
        self.link = StationLink("station", SESSION, unique_id)
        self.now_ms = 10_000
        if met:
            self.hear(pilot_hello(1), state(2))
            self.events()

    def hear(self, *said: Message) -> list[Message]:
        self.link.receive(b"".join(frame.encode(message) for message in said), self.now_ms)
        return self.says()

    def says(self) -> list[Message]:
        return decoded(self.link.data_to_send())

    def after(self, ms: int) -> list[Message]:
        """What it says in its tick so much later."""
        self.now_ms += ms
        self.link.tick(self.now_ms)
        return self.says()

    def events(self) -> list[object]:
        taken = []
        while (event := self.link.next_event()) is not None:
            taken.append(event)
        return taken

    def news(self) -> list[str]:
        return [type(event).__name__ for event in self.events()]


GREETING: Message = [1, 1, 3, SESSION, "station", b"", b"", 0, 0, b"", 0]


def test_a_station_that_has_started_knows_nobody_and_asks_every_200_ms() -> None:
    at = AtStation(met=False)
    link = at.link
    assert (link.online, link.leases_sent, link.state, link.rejected, link.deadline()) == (False, 0, None, 0, None)
    assert link.stale(0)
    assert at.says() == []
    assert at.after(0) == [GREETING]
    assert link.deadline() == at.now_ms + 200
    assert at.after(199) == []
    assert [message[1] for message in at.after(1)] == [2]
    assert [message[1] for message in at.after(250)] == [3]
    assert at.after(199) == []
    assert at.events() == []


def test_a_pilot_is_met_by_its_hello_and_online_with_its_first_state() -> None:
    at = AtStation(met=False)
    assert at.hear(pilot_hello(ROUND + 7)) == []
    (met,) = at.events()
    assert isinstance(met, PilotHello)
    assert (met.boot, met.program, met.unique_id, met.firmware_hash) == (BOOT, "pilot", b"id", b"hash")
    assert (met.capabilities, met.reset_reason, met.parameter_crc) == (63, 4, b"crc")
    link = at.link
    assert (link.online, at.says()) == (False, [])
    assert at.hear(state(8, 1234)) == [[3, 1, 8, BOOT, SESSION, 1234, 0, 0, 0, 0, 0]]
    assert link.online
    (now,) = at.events()
    assert now is at.link.state
    assert isinstance(now, PilotState)
    assert (now.seq, now.ack, now.boot, now.session, now.pilot_ms, now.pilot, now.phase) == (8, 9, 77, 5, 1234, 1, 2)
    assert (now.cp_high_mv, now.cp_low_mv, now.duty, now.limit_ma) == (9000, -12000, 2666, 16000)
    assert (now.outputs, now.inputs, now.lease_left_ms, now.faults, now.conditions) == (1, 1, 700, 0, 3)
    assert (now.cycles, now.cable_ma, now.quiet_ms, now.rejected) == (4, 32000, 40, 2)
    assert (now.bcb_sequences, now.bcb_pulses, now.close, now.contacts_closed) == (1, 2, True, True)
    assert now.at_ms == at.now_ms


@pytest.mark.parametrize(("outputs", "inputs"), [(0, 1), (126, 0), (127, 7), (2, 6)])
def test_close_and_contacts_are_the_lowest_bits(outputs: int, inputs: int) -> None:
    message = state(3)
    message[12], message[13] = outputs, inputs
    said = PilotState(message, 0)  # type: ignore[arg-type]
    assert (said.close, said.contacts_closed) == (bool(outputs & 1), bool(inputs & 1))


@pytest.mark.parametrize(("bcb", "sequences", "pulses"), [(0, 0, 0), (3, 0, 3), (4, 1, 0), (1023, 255, 3)])
def test_bcb_is_four_times_the_toggles_and_the_pulses(bcb: int, sequences: int, pulses: int) -> None:
    message = state(3)
    message[19] = bcb
    said = PilotState(message, 0)  # type: ignore[arg-type]
    assert (said.bcb_sequences, said.bcb_pulses) == (sequences, pulses)


def test_a_hello_that_names_nobody_is_answered_by_ours_and_is_no_meeting() -> None:
    at = AtStation(met=False)
    assert at.hear(pilot_hello(9, session=0)) == [GREETING]
    assert at.events() == []
    assert at.hear(state(2)) == []
    assert not at.link.online


UNWANTED = {
    "another version": (pilot_hello(version=4), PilotRefused, {"version": 4, "program": "pilot"}),
    "an older version": (pilot_hello(version=2), PilotRefused, {"version": 2, "program": "pilot"}),
    "another board": (
        pilot_hello(unique_id=b"xx"),
        PilotForeign,
        {"unique_id": b"xx", "wanted_id": b"id", "program": "pilot"},
    ),
    "one that listens to another station": (pilot_hello(session=6), PilotTaken, {"session": 6}),
}


@pytest.mark.parametrize(("said", "kind", "fields"), UNWANTED.values(), ids=UNWANTED)
def test_an_unwanted_pilot_is_named_once_and_obeyed_no_more(
    said: Message, kind: type[object], fields: dict[str, object]
) -> None:
    at = AtStation(unique_id=b"id")
    before = at.link.state
    at.link.set_lease(1, 16000, 1000, at.now_ms)
    at.says()
    assert at.hear(said) == []
    (event,) = at.events()
    assert type(event) is kind
    assert vars(event) == fields
    assert at.hear(said, said, state(3), state(4, boot=-1)) == []
    at.link.set_lease(1, 10000, 1000, at.now_ms)
    assert at.says() == [], "nothing but HELLO"
    assert (at.events(), at.link.state) == ([], before)
    assert at.hear(pilot_hello(5)) == []
    assert at.news() == ["PilotHello"], "it is met anew"
    assert [message[0] for message in at.hear(state(6))] == [3]


def test_each_other_reason_to_refuse_is_named_again() -> None:
    at = AtStation(unique_id=b"id")
    rows = [
        pilot_hello(version=4),
        pilot_hello(version=5),
        pilot_hello(unique_id=b"xx"),
        pilot_hello(unique_id=b"yy"),
        pilot_hello(session=6),
        pilot_hello(session=7),
        pilot_hello(version=4),
    ]
    for row in rows:
        at.hear(row, row)
    assert at.news() == ["PilotRefused"] * 2 + ["PilotForeign"] * 2 + ["PilotTaken"] * 2 + ["PilotRefused"]


def test_the_same_reason_is_named_again_after_a_meeting() -> None:
    at = AtStation()
    for seq in (3, 5):
        at.hear(pilot_hello(seq, version=4), pilot_hello(seq + 1))
    assert at.news() == ["PilotRefused", "PilotHello"] * 2


def test_without_a_wanted_id_every_board_will_do() -> None:
    at = AtStation(met=False)
    at.hear(pilot_hello(unique_id=b"whoever"))
    assert at.news() == ["PilotHello"]


@pytest.mark.parametrize(("boot", "session"), [(78, SESSION), (BOOT, 6)], ids=["another life", "another station"])
def test_state_and_result_for_somebody_else_change_nothing(boot: int, session: int) -> None:
    at = AtStation()
    ident = at.link.command(1)
    at.after(0)
    before = at.link.state
    assert before is not None
    at.now_ms += 50
    said = [state(3, own_boot=boot, own_session=session), result(4, ident, own_boot=boot, own_session=session)]
    assert at.hear(*said) == []
    assert (at.link.state, at.events(), at.link.deadline()) == (before, [], before.at_ms + 400)
    (message,) = at.hear(state(5))
    assert message[2] == 5


def test_a_stranger_s_state_makes_an_offline_station_ask_at_once() -> None:
    at = AtStation(met=False)
    at.after(0)
    assert at.hear(state(3)) == []
    assert at.link.deadline() is None
    assert [message[0] for message in at.after(0)] == [1]


def test_what_only_a_station_says_is_nothing_to_a_station() -> None:
    at = AtStation()
    assert at.hear(lease(3), narrow(4), command(5, 1)) == []
    assert (at.events(), at.link.rejected) == ([], 0)


def test_damage_and_messages_that_are_none_are_counted() -> None:
    at = AtStation()
    at.link.receive(b"\x03ab\0", at.now_ms)
    at.link.receive(frame.encode([2, 1, 2]), at.now_ms)
    assert at.link.rejected == 2
    assert at.events() == []


def test_only_a_newer_state_counts() -> None:
    at = AtStation()  # has heard number 2
    for seq, taken in ((2, 0), (1, 0), (65535, 0), (4, 1), (3, 0), (4 + 32767, 1), (3, 0), (2, 1), (ROUND + 4, 1)):
        assert len(at.hear(state(seq))) == taken, seq
        assert len(at.events()) == taken, seq


@pytest.mark.parametrize("first", [0, 1, 40000, 65535])
def test_after_a_loss_or_a_new_life_any_number_is_new(first: int) -> None:
    for again in (False, True):
        at = AtStation()
        at.hear(state(30000))
        boot = BOOT
        if again:
            boot = 78
            at.hear(pilot_hello(1, boot=boot))
        else:
            at.after(400)
        assert len(at.hear(state(first, own_boot=boot))) == 1


def test_silence_is_stale_at_300_ms_and_lost_at_400() -> None:
    at = AtStation()
    last_ms = at.now_ms
    ident = at.link.command(20)
    at.after(0)
    assert at.link.deadline() == last_ms + 400
    steps = []
    for ms in (299, 1, 99, 1, 199, 1):
        said = [message[0] for message in at.after(ms) if message[0] != 5]
        steps.append((at.now_ms - last_ms, at.link.stale(at.now_ms), at.link.online, said, at.news()))
    assert steps == [
        (299, False, True, [], []),
        (300, True, True, [], ["PilotStale"]),
        (399, True, True, [], []),
        (400, True, False, [1], ["PilotLost", "PilotResult"]),
        (599, True, False, [], []),
        (600, True, False, [1], []),
    ]
    assert ident == 1
    assert at.link.deadline() == at.now_ms + 200


def test_the_events_of_a_silence_say_how_long_it_is() -> None:
    at = AtStation()
    at.after(350)
    at.after(70)
    stale, lost = at.events()
    assert isinstance(stale, PilotStale)
    assert isinstance(lost, PilotLost)
    assert (stale.silent_ms, lost.silent_ms) == (350, 420)


def test_each_silence_is_stale_anew() -> None:
    at = AtStation()
    for seq in (3, 4):
        at.after(300)
        assert at.news() == ["PilotStale"]
        at.hear(state(seq))
        assert not at.link.stale(at.now_ms)
        assert at.news() == ["PilotState"]


def test_what_nobody_listened_to_is_no_silence() -> None:
    at = AtStation()
    start_ms = at.now_ms
    at.now_ms += 1000
    at.link.excuse(5000, at.now_ms)  # never more than there was
    assert not at.link.stale(at.now_ms)
    assert at.link.deadline() == start_ms + 1400
    assert at.after(299) == []
    assert at.news() == []
    at.after(1)
    assert at.news() == ["PilotStale"]
    at.link.excuse(50, at.now_ms)
    at.after(149)
    assert at.news() == []
    at.after(1)
    assert at.news() == ["PilotLost"]


def test_a_lost_pilot_stays_stale_whatever_is_excused() -> None:
    at = AtStation()
    at.after(400)
    at.link.excuse(400, at.now_ms)
    assert at.link.stale(at.now_ms)


@pytest.mark.parametrize("boot", [-2, -1, 0, 1, BOOT])
def test_a_state_before_any_hello_is_nobodys(boot: int) -> None:
    at = AtStation(met=False)
    assert at.hear(state(1, own_boot=boot)) == []
    assert (at.link.online, at.events()) == (False, [])
    at.hear(pilot_hello(1, boot=boot), pilot_hello(2, version=4))
    at.events()
    assert at.hear(state(3, own_boot=boot)) == []
    assert (at.link.online, at.events()) == (False, [])


def test_a_state_ends_what_was_excused() -> None:
    at = AtStation()
    at.now_ms += 200
    at.link.excuse(200, at.now_ms)
    at.hear(state(3))
    at.events()
    at.after(300)
    assert at.news() == ["PilotStale"]


def test_an_excuse_before_the_first_state_is_nothing() -> None:
    at = AtStation(met=False)
    at.link.excuse(100, at.now_ms)
    at.hear(pilot_hello(1), state(2))
    at.events()
    at.after(300)
    assert at.news() == ["PilotStale"]


def test_a_changed_wish_is_said_at_once_and_again_with_each_state() -> None:
    at = AtStation()
    at.now_ms += 199
    at.link.set_lease(1, 16000, 1000, at.now_ms, 3)
    assert at.says() == [[3, 2, 2, BOOT, SESSION, 1000, 1, 16000, 1000, 3, 0]]
    at.link.set_lease(1, 16000, 1000, at.now_ms, 3)
    assert at.says() == [], "the same wish"
    assert at.hear(state(3, 1300)) == [[3, 3, 3, BOOT, SESSION, 1300, 1, 16000, 1000, 3, 0]]
    assert at.link.leases_sent == 2
    for wish in ((2, 16000, 1000, 3), (2, 0, 1000, 3), (2, 0, 900, 3), (2, 0, 900, 1), (0, 0, 0, 0)):
        at.link.set_lease(*wish[:3], at.now_ms, wish[3])
        assert [message[6:10] for message in at.says()] == [list(wish)]
    assert at.link.leases_sent == 6, "mode 0 gives nothing"


def test_a_changed_wish_waits_for_the_next_state_when_the_last_is_200_ms_old() -> None:
    at = AtStation()
    at.now_ms += 200
    at.link.set_lease(1, 16000, 1000, at.now_ms)
    assert at.says() == []
    assert [message[6:10] for message in at.hear(state(3))] == [[1, 16000, 1000, 0]]


def test_a_wish_is_said_to_nobody_who_is_offline_or_has_begun_another_life() -> None:
    at = AtStation(met=False)
    at.link.set_lease(1, 16000, 1000, at.now_ms)
    assert at.says() == []
    at = AtStation()
    at.hear(pilot_hello(1, boot=78))
    at.link.set_lease(1, 16000, 1000, at.now_ms)
    assert at.says() == []
    at = AtStation()
    at.after(400)
    at.link.set_lease(1, 16000, 1000, at.link.state.at_ms)  # type: ignore[union-attr]
    assert [message for message in at.says() if message[0] == 3] == []


def test_a_request_is_in_three_leases_and_several_are_together() -> None:
    at = AtStation()
    at.link.request(4)
    at.link.clear_faults()
    requests = [at.hear(state(seq))[0][10] for seq in range(3, 8)]
    assert requests == [5, 5, 5, 0, 0]
    at.link.request(2)
    assert [at.hear(state(seq))[0][10] for seq in range(8, 12)] == [2, 2, 2, 0]


def test_narrowings_go_with_three_states_of_each_life_in_the_order_of_their_index() -> None:
    at = AtStation()
    at.link.narrow(6, 60)
    at.link.narrow(0, 16000)
    at.link.narrow(6, 50)
    wanted = [[4, BOOT, 0, 16000], [4, BOOT, 6, 50], [3]]

    def said(seq: int, boot: int = BOOT) -> list[Message]:
        rows = at.hear(state(seq, own_boot=boot))
        return [[row[0], row[3], *row[5:]] if row[0] == 4 else [row[0]] for row in rows]

    assert [said(seq) for seq in (3, 4, 5)] == [wanted] * 3
    assert said(6) == [[3]]
    at.hear(pilot_hello(1, boot=78))
    again = [[4, 78, 0, 16000], [4, 78, 6, 50], [3]]
    assert [said(seq, 78) for seq in (2, 3, 4, 5)] == [again, again, again, [[3]]]


def test_the_head_of_what_is_said_counts_from_1_and_goes_round() -> None:
    at = AtStation(met=False)
    seqs = [at.after(200)[0][1] for _ in range(65537)]
    assert seqs[:3] == [1, 2, 3]
    assert seqs[-3:] == [65535, 0, 1]


def test_a_command_is_said_at_once_and_every_200_ms_until_its_result() -> None:
    at = AtStation()
    ident = at.link.command(20, 21, b"data")
    assert at.after(0) == [[5, 2, 2, BOOT, SESSION, ident, 20, 21, b"data"]]
    at.hear(state(3))
    assert at.after(199) == []
    assert [message[5:] for message in at.after(1)] == [[ident, 20, 21, b"data"]]
    assert at.hear(result(4, ident, 2, 7, b"why")) == []
    (event,) = [event for event in at.events() if isinstance(event, PilotResult)]
    assert vars(event) == {"ident": ident, "code": 20, "status": 2, "number": 7, "data": b"why"}
    assert at.hear(result(5, ident)) == []
    assert at.news() == [], "the answer to a repetition"


def test_a_command_acknowledges_what_was_heard_last_and_carries_nothing_unless_it_is_given_something() -> None:
    at = AtStation()
    at.hear(pilot_hello(ROUND + 50, boot=78))
    at.link.command(1)
    assert at.after(0) == [[5, 2, 50, 78, SESSION, 1, 1, 0, b""]]
    at.hear(result(ROUND + 60, 1, 3, own_boot=78))
    assert [message[2] for message in at.after(200)] == [60]


def test_commands_are_done_one_after_the_other() -> None:
    at = AtStation()
    first, second, third = (at.link.command(code) for code in (1, 10, 11))
    assert (first, second, third) == (1, 2, 3)
    assert [message[5] for message in at.after(0)] == [1]
    assert at.hear(result(3, 2)) == [], "not its turn"
    assert [message[5:7] for message in at.hear(result(4, 1))] == [[2, 10]]
    assert [message[5:7] for message in at.hear(result(5, 2))] == [[3, 11]]
    assert at.hear(result(6, 3)) == []
    assert [event.code for event in at.events() if isinstance(event, PilotResult)] == [1, 10, 11]


def test_a_result_before_its_command_was_said_is_none() -> None:
    at = AtStation()
    at.link.command(1)
    assert at.hear(result(3, 1)) == []
    assert at.news() == []
    assert [message[5] for message in at.after(0)] == [1]


def test_a_command_without_any_result_is_lost_after_2_s_and_the_next_one_begins_with_the_next_tick() -> None:
    at = AtStation()
    at.link.command(1)
    at.link.command(10)
    at.after(0)
    for seq in range(3, 22):
        at.now_ms += 100
        at.hear(state(seq))
    assert at.now_ms == 11_900
    at.events()
    at.after(99)
    assert at.news() == []
    assert at.after(1) == []
    (event,) = at.events()
    assert isinstance(event, PilotResult)
    assert vars(event) == {"ident": 1, "code": 1, "status": -1, "number": 0, "data": b""}
    assert [message[5] for message in at.after(0)] == [2]


def test_busy_gives_a_command_another_2_s_and_is_no_end() -> None:
    at = AtStation()
    at.link.command(1)
    at.after(0)
    seq = 3
    for _ in range(3):
        for _ in range(19):
            at.now_ms += 100
            at.hear(state(seq))
            seq += 1
        at.hear(result(seq, 1, 3, 50))
        seq += 1
        assert "PilotResult" not in at.news()
    for _ in range(20):
        at.now_ms += 100
        at.hear(state(seq))
        seq += 1
    assert at.news().count("PilotResult") == 1


def test_a_new_life_of_the_pilot_loses_every_command() -> None:
    at = AtStation()
    at.link.command(1)
    at.link.command(10)
    at.after(0)
    at.hear(pilot_hello(1, boot=78))
    first, second, met = at.events()
    assert vars(first) == {"ident": 1, "code": 1, "status": -1, "number": 0, "data": b""}
    assert vars(second) == {"ident": 2, "code": 10, "status": -1, "number": 0, "data": b""}
    assert isinstance(met, PilotHello)
    assert [message[0] for message in at.hear(state(2, own_boot=78))] == [3]
    at.link.command(11)
    assert [(message[3], message[5], message[6]) for message in at.after(0)] == [(78, 3, 11)]


def test_a_command_to_a_lost_pilot_waits_until_it_is_back() -> None:
    at = AtStation()
    at.after(400)
    at.link.command(1)
    assert at.after(200)[0][0] == 1
    assert [message[0] for message in at.hear(state(3))] == [3, 5]


def test_ids_of_commands_go_from_1_to_65535_and_begin_again() -> None:
    at = AtStation(met=False)
    idents = [at.link.command(1) for _ in range(65537)]
    assert (idents[0], idents[65534], idents[65535], idents[65536]) == (1, 65535, 1, 2)
