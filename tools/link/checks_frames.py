"""Checks of frames and commands: what is damaged or foreign changes nothing, and each COMMAND is done once."""

from __future__ import annotations

import random

from pilotwire.protocols.link import cbor, messages
from pilotwire.tools.link.check import check, require
from pilotwire.tools.link.probe import ConformanceError, Message, Probe, State, frame, raw_frame

BAD_ID = 20_000
"""Ids of commands that must not be done begin here; newer than any that a check uses."""


def obeyed(probe: Probe) -> None:
    """Raise ConformanceError when a command that must not be done has been answered."""
    done = {int(m[5]) for _, m in probe.heard if m[0] == messages.RESULT and int(m[5]) >= BAD_ID}  # type: ignore[call-overload]
    require(
        not done, f"{len(done)} of the commands in bad frames were done (first: number {min(done, default=0) - BAD_ID})"
    )


def nothing_done(probe: Probe, before: State, rejected: int | None = None) -> int:
    """A good PING is answered, no bad one was; `rejected` frames have been counted since `before`. Returns that number."""
    try:
        probe.ask(1)
        state = probe.state()
    except ConformanceError:
        obeyed(probe)  # a command done in error also makes the good one look old
        raise
    obeyed(probe)
    require(state.boot == probe.boot, "the pilot has started again")
    counted = (state.rejected - before.rejected) & 0xFFFF
    require(rejected is None or counted == rejected, f"rejected grew by {counted} and not by {rejected}")
    return counted


@check("frame-damaged", "a frame with one damaged byte is not obeyed, and counted in rejected")
def _frame_damaged(probe: Probe) -> str:
    before = probe.fresh()
    count = 0
    for place in range(14):
        good = bytearray(probe.command_frame(BAD_ID + place, place, b"\1\2\3"))
        at = len(good) - 2 - place
        good[at] ^= 0x40 if good[at] != 0x40 else 0x20
        probe.say(bytes(good))
        count += 1
    return f"{nothing_done(probe, before, count)} rejected of {count}"


@check("frame-truncated", "a frame whose beginning or end is missing is not obeyed, and counted in rejected")
def _frame_truncated(probe: Probe) -> str:
    before = probe.fresh()
    good = probe.command_frame(BAD_ID, 5, b"\1\2\3\4\5\6")
    pieces = [good[:size] + b"\0" for size in range(1, len(good) - 1, 3)]
    pieces += [good[size:] for size in range(1, len(good) - 1, 3)]
    for piece in pieces:
        probe.say(piece)
    return f"{nothing_done(probe, before, len(pieces))} rejected of {len(pieces)}"


@check("frame-overlong", "more than 256 bytes without a zero are one rejected frame, even with a right CRC")
def _frame_overlong(probe: Probe) -> str:
    before = probe.fresh()
    probe.clear()
    probe.say(frame.encode([messages.HELLO, 1, messages.VERSION + 1, probe.session + 1, "x" * 260]))
    probe.say(b"\x55" * 1000 + b"\0")
    counted = nothing_done(probe, before, 2)
    require(not any(m[0] == messages.HELLO for _, m in probe.heard), "a HELLO of 280 bytes was answered")
    return f"{counted} rejected of 2"


@check("frame-random", "random bytes change nothing, and the pilot works on")
def _frame_random(probe: Probe) -> str:
    before = probe.fresh()
    noise = random.Random(3).randbytes(1500)
    for at in range(0, len(noise), 100):
        probe.say(noise[at : at + 100])
        probe.pump(9)  # as fast as 115,200 baud
    probe.say(b"\0")
    counted = nothing_done(probe, before)
    require(counted > 0, "rejected has not grown")
    require(probe.last is not None and probe.last.session == before.session, "the binding is lost")
    return f"1500 bytes, {counted} frames rejected"


@check(
    "frame-not-a-message",
    "whole frames with unknown kinds, other lengths, other types or other CBOR are rejected and counted",
)
def _frame_not_a_message(probe: Probe) -> str:
    before = probe.fresh()
    lease: Message = [*probe.head(messages.LEASE), 0, 0, 0, 0, 0, 0]
    command: Message = [*probe.head(messages.COMMAND), BAD_ID, 1, 0, b""]
    odd: list[object] = [
        [], [0], [9, 1, 2], [-1, 1], [[1], 1, 3, 1, "x"], ["HELLO", 1], 5, b"x", "x", [b"\5", *command[1:]],
        lease[:-1], [*lease, 0], [*lease[:6], "1", *lease[7:]], [*lease[:6], [1], *lease[7:]],
        command[:-1], [*command, 0], [*command[:8], b"\0" * 193], [*command[:8], ""], [*command[:7], 1 << 30, b""],
        [*command[:7], -(1 << 30), b""],
    ]  # fmt: skip
    bodies = [bytes(cbor.encode(value)) for value in odd]
    good = bytes(cbor.encode(command))
    # a map, null, a float, an indefinite array, a number in a long form, one byte too many, one too few
    bodies += [
        b"\xa0",
        b"\x81\xf6",
        b"\x81\xf9\x00\x00",
        b"\x9f" + good[1:] + b"\xff",
        good[:1] + b"\x18\x05" + good[2:],
    ]
    bodies += [good + b"\0", good[:-1]]
    for body in bodies:
        probe.say(raw_frame(body))
        probe.pump(3)
    return f"{nothing_done(probe, before, len(bodies))} rejected of {len(bodies)}"


@check("frame-cut-and-joined", "a frame may come byte by byte, with zeros before it, or together with others")
def _frame_cut_and_joined(probe: Probe) -> str:
    before = probe.fresh()
    ident = probe.new_ident()
    # No LEASE to a STATE that comes meanwhile: in the middle of this frame it would be our own mistake.
    answer = probe.answer
    probe.answer = None
    for byte in probe.command_frame(ident, 42, b"abc"):
        probe.say(bytes((byte,)))
        probe.pump(3)
    probe.answer = answer
    result = lambda m: m[0] == messages.RESULT and m[5] == ident  # noqa: E731
    if not probe.results(ident):
        probe.wait("RESULT of a COMMAND that came byte by byte", result)
    probe.say(b"\0" * 300)
    probe.clear()
    hello = frame.encode([1, probe.next_seq(), 3, probe.session, "joined", b"", b"", 0, 0, b"", 0])
    ident = probe.new_ident()
    probe.say(b"\0\0" + hello + probe.command_frame(ident, 43) + hello)
    probe.wait("RESULT of a COMMAND between two HELLOs", result)
    hellos = sum(1 for _, m in probe.heard if m[0] == messages.HELLO)
    require(hellos >= 1, "no answer to two HELLOs that came together with a COMMAND")
    return f"nothing rejected: {nothing_done(probe, before, 0)}"


@check("other-boot", "a COMMAND for another boot of the pilot is not obeyed")
def _other_boot(probe: Probe) -> str:
    before = probe.fresh()
    for place, boot in enumerate((probe.boot + 1, probe.boot ^ 0x8000, 0 if probe.boot else 1, -1)):
        probe.say(probe.command_frame(BAD_ID + place, head=probe.head(messages.COMMAND, boot=boot)))
        probe.pump(20)
    nothing_done(probe, before, 0)
    return "4 ignored"


@check("other-session", "a COMMAND of another session is not obeyed")
def _other_session(probe: Probe) -> str:
    before = probe.fresh()
    for place, session in enumerate((probe.session + 1, probe.session ^ 0x8000, 0, -1)):
        probe.say(probe.command_frame(BAD_ID + place, head=probe.head(messages.COMMAND, session=session)))
        probe.pump(20)
    nothing_done(probe, before, 0)
    return "4 ignored"


@check("wrong-way", "a STATE or RESULT that comes from the station's side is ignored")
def _wrong_way(probe: Probe) -> str:
    before = probe.fresh()
    probe.say(frame.encode([*probe.head(messages.STATE), *[0] * 17]))
    probe.say(frame.encode([*probe.head(messages.RESULT), BAD_ID, 0, 0, b""]))
    return f"{nothing_done(probe, before)} rejected of 2 (either way is right)"


@check("ping-echo", "PING comes back with its number and data, up to 192 bytes")
def _ping_echo(probe: Probe) -> str:
    probe.fresh()
    largest = (1 << 30) - 1
    for number, data in (
        (0, b""), (-5, b"\0"), (largest, b"\xff" * 192), (-largest, b"\0" * 192), (7, bytes(range(192))),
    ):  # fmt: skip
        result = probe.ask(number, data)
        require(result[6] == messages.OK, f"status {result[6]} for {len(data)} bytes and number {number}")
        require(result[7] == number, f"number {result[7]} and not {number}")
        require(result[8] == data, f"other data than the {len(data)} bytes that were sent")
    return "0, 1 and 192 bytes"


@check("command-unknown", "a COMMAND with an unknown code is answered UNKNOWN")
def _command_unknown(probe: Probe) -> str:
    probe.fresh()
    for code in (0, -1, 999_999):
        result = probe.ask(code=code)
        require(result[6] == messages.UNKNOWN, f"status {result[6]} for code {code} and not {messages.UNKNOWN}")
    return "codes 0, -1, 999999"


@check("command-once", "a COMMAND whose id was done last is answered with the same RESULT again, whatever else it says")
def _command_once(probe: Probe) -> str:
    probe.fresh()
    ident = probe.new_ident()
    first = probe.ask(11, b"first", ident=ident)
    for number, data in ((11, b"first"), (22, b"second"), (22, b"second")):
        again = probe.ask(number, data, ident=ident)
        require(again[5:] == first[5:], f"done again: {again[6:]} and not {first[6:]}")
    require(probe.ask(33)[7] == 33, "the next id is not done")
    return "3 repetitions, one RESULT"


@check("command-old", "a COMMAND whose id is not newer than the last one done is ignored")
def _command_old(probe: Probe) -> str:
    probe.fresh()
    last = BAD_ID + 20_000
    probe.ask(1, ident=BAD_ID - 1)  # in two steps: each must be newer
    probe.ask(1, ident=last)
    old = (last - 1, last - 32_767, (last + 32_768) & 0xFFFF)
    for ident in old:
        probe.say(probe.command_frame(ident))
        probe.pump(30)
    probe.ask(1, ident=last + 1)
    done = [ident for ident in old if probe.results(ident)]
    require(not done, f"after id {last} id {done[:1]} was done")
    return f"after {last}: {', '.join(map(str, old))} ignored"


@check("command-ids-wrap", "ids go round: after 65535 comes 1")
def _command_ids_wrap(probe: Probe) -> str:
    probe.fresh()
    for ident in (30_000, 60_000, 65_535, 1, 2):
        require(probe.ask(ident, ident=ident)[7] == ident, f"COMMAND {ident} has another's RESULT")
    return "30000, 60000, 65535, 1, 2"


@check("binding-starts-anew", "a new binding forgets command ids and results")
def _binding_starts_anew(probe: Probe) -> str:
    probe.fresh()
    probe.ask(1, ident=5)
    probe.fresh()
    for ident in (5, 6):
        result = probe.ask(2, ident=ident)
        require(result[7] == 2, f"COMMAND {ident} of the new session has the RESULT of the old one")
    probe.fresh()
    probe.ask(3, ident=1)
    return "ids 5, 6, 1 after 5"
