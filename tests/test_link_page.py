"""docs/link.md says what protocols/link does: every name and number on it, and its examples byte by byte."""

from __future__ import annotations

import ast
import binascii
import re
from pathlib import Path

import pytest

from pilotwire.firmware.kernel import bands, faults, lease, params, table, times
from pilotwire.protocols.link import cbor, frame, messages, pilot, station

PAGE = Path(__file__).parents[1].joinpath("docs", "link.md").read_text()
TEXT = " ".join(PAGE.split())
BLOCK = PAGE.split("```")[1]
EXAMPLES = [example.split("\n", 1) for example in BLOCK.strip().split("\n\n")]
KINDS = ("HELLO", "STATE", "LEASE", "NARROW", "COMMAND", "RESULT")
NUMBERS = {
    name: value
    for name, value in vars(messages).items()
    if name[0] != "_" and name.isupper() and isinstance(value, int)
}
LIMITS = ("VERSION", "PERIOD_MS", "QUIET_MS", "DATA_MAX")


def fields(kind: str) -> list[str]:
    """The names in the array that the page gives for a kind of message."""
    found = re.search(rf"\*\*{kind} = (\d)\*\*[^`]*`\[([^\]]*)\]`", TEXT)
    assert found, f"the page has no array for {kind}"
    names = found[2].split(", ")
    assert names[0] == found[1] == str(NUMBERS[kind])
    return names


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - set(LIMITS) - set(KINDS)))
def test_every_bit_code_status_and_reason_stands_on_the_page_with_its_number(name: str) -> None:
    assert re.search(rf"\b{name} {NUMBERS[name]}\b", TEXT), f"{name} {NUMBERS[name]} is missing"


def test_the_limits_of_the_link_stand_on_the_page() -> None:
    for text in (
        f"# The pilot link, version {messages.VERSION}",
        f"At most **{frame.MAX_FRAME}** bytes",
        f"at most {messages.DATA_MAX} bytes",
        f"STATE every **{messages.PERIOD_MS} ms**",
        f"quiet for **{messages.QUIET_MS} ms**",
        f"says HELLO (session 0) every {pilot.HELLO_MS} ms",
        f"says HELLO every {station.HELLO_MS} ms",
        f"every {station.COMMAND_MS} ms until its RESULT",
        f"{station.COMMAND_LOST_MS // 1000} s without any RESULT",
        f"| no STATE: pilot lost | {station.LOST_MS} |",
        f"taken no LEASE for {pilot.RESYNC_MS // 1000} s",
        f"| no LEASE taken: any is new | {pilot.RESYNC_MS} |",
        f"| ttl_ms by default, at most | 1000, {times.TTL_MAX_MS} |",
        f"at most {cbor.MAX_DEPTH} deep",
        f"stood still for more than {times.OVERRUN_MS} ms",
        f"ttl_ms 1 … {times.TTL_MAX_MS}",
        f"(500 … {times.TTL_MAX_MS})",
    ):
        assert text in TEXT, text
    assert params.LIMITS[params.TTL_MS][:2] == (500, times.TTL_MAX_MS)


def test_the_check_value_is_that_of_the_crc() -> None:
    assert f"{binascii.crc32(b'123456789'):08X}" in TEXT
    body = bytes(cbor.encode([5]))
    assert frame.encode([5]) == bytes([7]) + body + binascii.crc32(body).to_bytes(4, "big") + b"\0"


def test_a_body_of_the_length_on_the_page_always_fits_and_a_longer_one_may_not() -> None:
    assert "a body of 250 always fits" in TEXT
    assert len(cbor.encode([b"\1" * 247])) == 250
    for size, byte, there in ((247, b"\1", 1), (247, b"\0", 1), (248, b"\1", 0)):
        assert len(frame.FrameReader().receive(frame.encode([byte * size]))) == there


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_with_the_fields_of_the_page_is_valid_and_one_with_more_or_fewer_is_not(kind: str) -> None:
    texts = {"program": "x", "unique_id": b"", "firmware_hash": b"", "parameter_crc": b"", "data": b""}
    message: list[object] = [NUMBERS[kind], *(texts.get(name, 0) for name in fields(kind)[1:])]
    if kind == "HELLO":
        message[2] = messages.VERSION
    assert messages.is_valid(message)
    assert not messages.is_valid(message[:-1])
    assert not messages.is_valid([*message, 0])


def test_state_has_its_fields_in_the_order_of_the_page() -> None:
    state = station.PilotState(list(range(100, 122)), 0)
    bcb = fields("STATE").index("bcb")
    for place, name in enumerate(fields("STATE")):
        if name not in {"2", "bcb"}:
            assert getattr(state, name) == 100 + place, name
    assert (state.bcb_sequences, state.bcb_pulses) == divmod(100 + bcb, 4)


def listed(first: str, last: str) -> list[str]:
    """The names between two words of the page, without the numbers of some of them."""
    part = TEXT[TEXT.index(first) : TEXT.index(last) + len(last)]
    return re.findall(r"[A-Z][A-Za-z0-9_]+", part)


def test_the_bits_of_faults_and_conditions_are_named_in_order() -> None:
    assert listed("PilotShort", "StationStop") == [row[1] for row in faults.FAULTS]
    names = listed("Fault, Graceful", "Nominal")
    assert tuple(names) == table.CONDITION_NAMES
    assert [row[0] for row in faults.FAULTS] == [1 << place for place in range(len(faults.FAULTS))]


def test_phases_states_and_parameters_are_named_in_order() -> None:
    for number, name in enumerate(table.PHASE_NAMES):
        assert f"{number} {name}" in TEXT
    for name in "ABCDEF":
        assert re.search(rf"\b{getattr(bands, name)} {name}\b", TEXT)
    names = listed("MAX_MA, PHASES", "TTL_MS (500")
    assert [getattr(params, name) for name in names] == list(range(len(params.LIMITS)))


def test_modes_and_requests_have_the_kernels_numbers() -> None:
    wanted = (
        "mode 0 no permission, 1 AC by duty, 2 AC digital (5 %), 3 DC, 4 both ways",
        "1 clear faults, 2 unlock, 4 stop at once, 8 step E/F, 16 step X1",
    )
    assert all(text in TEXT for text in wanted)
    modes = (lease.MODE_NONE, lease.MODE_AC, lease.MODE_AC_HLC, lease.MODE_DC, lease.MODE_BPT)
    assert modes == (0, 1, 2, 3, 4)
    requests = (lease.REQUEST_CLEAR, lease.REQUEST_UNLOCK, lease.REQUEST_STOP)
    assert (*requests, lease.REQUEST_STEP_EF, lease.REQUEST_STEP_X1) == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(("text", "hexadecimal"), EXAMPLES, ids=[example[0][:4] for example in EXAMPLES])
def test_the_examples_are_what_the_code_sends_and_reads(text: str, hexadecimal: str) -> None:
    message = ast.literal_eval(text)
    assert frame.encode(message).hex(" ") == " ".join(hexadecimal.split())
    assert frame.FrameReader().receive(bytes.fromhex(hexadecimal)) == [message]
    assert messages.is_valid(message)


def test_there_is_an_example_of_hello_lease_and_command() -> None:
    assert [ast.literal_eval(text)[0] for text, _ in EXAMPLES] == [messages.HELLO, messages.LEASE, messages.COMMAND]
