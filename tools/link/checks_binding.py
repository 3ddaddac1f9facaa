"""Checks of HELLO, binding, STATE and two stations at one pilot."""

from __future__ import annotations

import itertools
import statistics

from pilotwire.protocols.link import cbor, messages
from pilotwire.tools.link.check import check, require
from pilotwire.tools.link.probe import MASK, ConformanceError, Message, Probe, State, frame, raw_frame

KINDS = {1: "HELLO", 2: "STATE", 3: "LEASE", 4: "NARROW", 5: "COMMAND", 6: "RESULT"}


def kinds(probe: Probe) -> str:
    """What has been heard since clear(), in words."""
    counts = {name: sum(1 for _, m in probe.heard if m[0] == kind) for kind, name in KINDS.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"


def hello_only(probe: Probe) -> None:
    """Raise ConformanceError when anything but HELLO has been heard since clear()."""
    require(all(m[0] == messages.HELLO for _, m in probe.heard), f"heard {kinds(probe)}")


def silent(probe: Probe) -> State:
    """A fresh binding whose STATEs nobody answers."""
    probe.fresh()
    probe.answer = None
    return probe.state()


@check("hello-unbound", "unbound, the pilot says HELLO every 500 ms and nothing else")
def _hello_unbound(probe: Probe) -> str:
    probe.fresh()
    probe.unbind()
    probe.clear()
    began_ms = probe.now_ms()
    probe.pump(1700)
    hello_only(probe)
    times = [at_ms for at_ms, _ in probe.heard]
    require(times and times[0] - began_ms <= 1000, f"no HELLO within 1000 ms (heard {len(times)} in 1700 ms)")
    gaps = [round(after - before) for before, after in itertools.pairwise(times)]
    require(gaps and all(400 <= gap <= 800 for gap in gaps), f"HELLOs {gaps} ms apart and not 500")
    return f"every {statistics.mean(gaps):.0f} ms"


@check("hello-fields", "each field of HELLO is in its range, and session is 0 while the pilot is bound to nobody")
def _hello_fields(probe: Probe) -> str:
    probe.unbind()
    hello = probe.hello
    _, _, version, boot, program, unique_id, firmware_hash, capabilities, reset_reason, parameter_crc, session = hello
    assert isinstance(boot, int)
    assert isinstance(program, str)
    assert isinstance(unique_id, bytes)
    assert isinstance(firmware_hash, bytes)
    assert isinstance(capabilities, int)
    assert isinstance(parameter_crc, bytes)
    require(version == messages.VERSION, f"version {version} and not {messages.VERSION}")
    require(0 <= boot <= 1 << 28, f"boot {boot} is not in 0..{1 << 28}")
    require(program and len(program.encode()) <= 60, f"program {program!r} is empty or longer than 60 bytes")
    require(len(unique_id) <= 16, f"unique_id of {len(unique_id)} bytes, more than 16")
    require(len(firmware_hash) in {0, 8}, f"firmware_hash of {len(firmware_hash)} bytes and not 8 (or 0: unknown)")
    require(0 <= capabilities < 64, f"capabilities {capabilities:#x} has bits that the page does not know")
    require(reset_reason in range(6), f"reset_reason {reset_reason} is not in 0..5")
    require(len(parameter_crc) <= 4, f"parameter_crc of {len(parameter_crc)} bytes, more than 4")
    require(session == 0, f"session {session} and not 0")
    return f"{program!r}, id {unique_id.hex() or '(none)'}, capabilities {capabilities:#x}, reset reason {reset_reason}"


@check("hello-answered", "every HELLO is answered at once with HELLO that names the session the pilot is bound to")
def _hello_answered(probe: Probe) -> str:
    probe.fresh()
    took_ms = []
    for _ in range(5):
        probe.say_hello(probe.session)
        said_ms = probe.sent_at_ms
        hello = probe.wait("HELLO in answer", lambda m: m[0] == messages.HELLO)
        took_ms.append(probe.now_ms() - said_ms)
        require(hello[10] == probe.session, f"the answer names session {hello[10]} and not {probe.session}")
        require(hello[3] == probe.boot, f"boot was {probe.boot} and is {hello[3]} now")
    median_ms = statistics.median(took_ms)
    require(median_ms <= 100, f"answered after {median_ms:.0f} ms (median of 5), more than 100")
    return f"after {median_ms:.1f} ms (median of 5)"


@check("binds", "after a HELLO of its version the pilot says STATE every 100 ms, and HELLO no more")
def _binds(probe: Probe) -> str:
    probe.fresh()
    probe.unbind()
    probe.bind()
    bound_ms = probe.now_ms()
    first = probe.state()
    took_ms = first.at_ms - bound_ms
    require(took_ms <= 300, f"first STATE after {took_ms:.0f} ms")
    probe.clear()
    probe.pump(700)
    require(all(m[0] == messages.STATE for _, m in probe.heard), f"heard {kinds(probe)}")
    return f"first STATE after {took_ms:.0f} ms"


@check("session-zero", "a HELLO with session 0 binds nobody")
def _session_zero(probe: Probe) -> str:
    probe.fresh()
    probe.unbind()
    probe.clear()
    probe.say_hello(0)
    probe.pump(350)
    hello_only(probe)
    return kinds(probe)


@check("hello-malformed", "a HELLO of version 3 with a field too few, too many or of another type binds nobody")
def _hello_malformed(probe: Probe) -> str:
    probe.fresh()
    probe.unbind()
    probe.clear()
    good: Message = [1, 1, messages.VERSION, 4711, "malformed", b"", b"", 0, 0, b"", 0]
    bad: list[Message] = [good[:-1], [*good, 0], [*good[:5], "", *good[6:]], [*good[:10], b""], good[:5]]
    bad += [[*good[:3], "4711", *good[4:]], [*good[:4], 5, *good[5:]]]
    for message in bad:
        probe.say(frame.encode(message))
    probe.pump(350)
    hello_only(probe)
    bound = [m[10] for _, m in probe.heard if m[10] != 0]
    require(not bound, f"bound to session {bound[:1]} by one of {len(bad)} malformed HELLOs")
    return f"{len(bad)} ignored"


@check("other-version", "a station of another version gets HELLO in answer and nothing else")
def _other_version(probe: Probe) -> str:
    probe.fresh()
    probe.unbind()
    probe.clear()
    for version in (messages.VERSION + 1, messages.VERSION - 1, 0):
        before = len(probe.heard)
        probe.say_hello(probe.session + 1, version)
        probe.pump(150)
        require(len(probe.heard) > before, f"no answer to a HELLO of version {version}")
        hello_only(probe)
        require(probe.hello[10] == 0, f"bound to session {probe.hello[10]} of a station of version {version}")
    return kinds(probe)


@check("other-version-unbinds", "when its own station comes back with another version, the pilot says no more STATE")
def _other_version_unbinds(probe: Probe) -> str:
    probe.fresh()
    probe.answer = None
    probe.say_hello(probe.session, messages.VERSION + 1)
    probe.pump(120)  # a STATE may have been on its way
    probe.clear()
    probe.pump(600)
    hello_only(probe)
    return kinds(probe)


@check("state-period", "STATE comes every 100 ms, by the pilot's clock and by ours")
def _state_period(probe: Probe) -> str:
    first = probe.fresh()
    states = [first, *(probe.state() for _ in range(16))]
    steps = [after.after_ms(before.pilot_ms) for before, after in itertools.pairwise(states)]
    # The median: one that comes late because this computer is busy says nothing about the pilot.
    here_ms = statistics.median(after.at_ms - before.at_ms for before, after in itertools.pairwise(states))
    figure = f"{statistics.mean(steps):.1f} ms (from {min(steps)} to {max(steps)}), here {here_ms:.1f} ms (median)"
    require(min(steps) >= 85 and max(steps) <= 130 and 95 <= statistics.mean(steps) <= 110, figure)
    require(85 <= here_ms <= 130, figure)
    return figure


@check("sequence", "the sequence number goes up by one with each message, whatever its kind")
def _sequence(probe: Probe) -> str:
    probe.fresh()
    for _ in range(3):
        probe.state()
        probe.ask(1)
        probe.say_hello(probe.session)
    probe.state()
    seqs = [int(m[1]) for _, m in probe.heard]  # type: ignore[call-overload]
    wrong = [(before, after) for before, after in itertools.pairwise(seqs) if after != (before + 1) % 0x10000]
    require(all(0 <= seq <= 0xFFFF for seq in seqs), f"out of 0..65535: {seqs}")
    require(not wrong, f"{wrong[0][1]} follows {wrong[0][0]}" if wrong else "")
    return f"{len(seqs)} messages ({kinds(probe)})"


@check("names-both", "STATE and RESULT repeat boot and session of the binding")
def _names_both(probe: Probe) -> str:
    probe.fresh()
    probe.ask(1)
    probe.state()
    named = {(m[3], m[4]) for _, m in probe.heard if m[0] in {messages.STATE, messages.RESULT}}
    require(named == {(probe.boot, probe.session)}, f"{named} and not {(probe.boot, probe.session)}")
    return f"boot {probe.boot}, session {probe.session}"


@check("acknowledges", "ack is the sequence number of the last message that came from the station")
def _acknowledges(probe: Probe) -> str:
    silent(probe)
    for seq in (40000, 65535, 7):
        ident = probe.new_ident()
        probe.say(probe.command_frame(ident, head=probe.head(messages.COMMAND, seq=seq)))
        result = probe.wait("RESULT", lambda m, ident=ident: m[0] == messages.RESULT and m[5] == ident)  # type: ignore[misc]
        require(result[2] == seq, f"RESULT acknowledges {result[2]} and not {seq}")
        state = probe.state()
        require(state.ack == seq, f"STATE acknowledges {state.ack} and not {seq}")
    return "40000, 65535, 7"


@check("state-fields", "each field of STATE is in its range")
def _state_fields(probe: Probe) -> str:
    state = probe.fresh()
    for _ in range(3):
        ranges = {
            "pilot_ms": (0, MASK), "pilot": (0, 6), "phase": (0, 13), "cp_high_mv": (-15000, 15000),
            "cp_low_mv": (-15000, 15000), "duty": (0, 10000), "limit_ma": (0, 500000), "outputs": (0, 127), "inputs": (0, 7),
            "lease_left_ms": (0, 5000), "faults": (0, (1 << 21) - 1), "conditions": (0, (1 << 24) - 1), "cycles": (0, 65535),
            "cable_ma": (0, 80000), "bcb": (0, 1023), "quiet_ms": (0, 60000), "rejected": (0, 65535),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(state, name)
            require(low <= value <= high, f"{name} is {value} and not in {low}..{high}")
        state = probe.state()
    return f"pilot {state.pilot}, phase {state.phase}, {state.cp_high_mv} mV, faults {state.faults:#x}"


@check("quiet-counts", "quiet_ms counts on while the station is silent, STATE goes on, and one frame starts it again")
def _quiet_counts(probe: Probe) -> str:
    states = [silent(probe), *(probe.state() for _ in range(5))]
    for before, after in itertools.pairwise(states[1:]):
        grown_ms, passed_ms = after.quiet_ms - before.quiet_ms, after.after_ms(before.pilot_ms)
        require(
            abs(grown_ms - passed_ms) <= 15, f"grew by {grown_ms} ms in {passed_ms} ms: {[s.quiet_ms for s in states]}"
        )
    before = states[-1]
    probe.ask(1)
    after = probe.state()
    require(after.quiet_ms <= 150 < before.quiet_ms, f"{before.quiet_ms} ms, and {after.quiet_ms} ms after a COMMAND")
    return f"{[s.quiet_ms for s in states[1:]]} ms, {after.quiet_ms} ms after a COMMAND"


@check(
    "quiet-only-by-its-station", "damaged, foreign and senseless frames do not count as a sign of life of the station"
)
def _quiet_only_by_its_station(probe: Probe) -> str:
    before = silent(probe)
    for _ in range(2):
        probe.say(raw_frame(bytes(cbor.encode([9, 1, 2]))))
        probe.say(probe.command_frame(1, head=probe.head(messages.COMMAND, boot=probe.boot ^ 1)))
        probe.say(probe.command_frame(1, head=probe.head(messages.COMMAND, session=probe.session ^ 1)))
        probe.say(frame.encode([*probe.head(messages.RESULT), 1, 0, 0, b""]))
        damaged = bytearray(probe.command_frame(1))
        damaged[-2] ^= 0x40
        probe.say(bytes(damaged))
        probe.say_hello(probe.session ^ 1)
        after = probe.state()
    grown_ms, passed_ms = after.quiet_ms - before.quiet_ms, after.after_ms(before.pilot_ms)
    require(abs(grown_ms - passed_ms) <= 15, f"quiet_ms grew by {grown_ms} ms in {passed_ms} ms")
    return f"grew by {grown_ms} ms in {passed_ms} ms"


@check("second-station-refused", "while its station is alive the pilot stays with it, and tells a second one so")
def _second_station_refused(probe: Probe) -> str:
    probe.fresh()
    second = probe.session ^ 0x5A5A5A
    until, said = probe.now_ms() + 700, 0
    while probe.now_ms() < until:
        probe.say_hello(second)
        said += 1
        hello = probe.wait("HELLO in answer to the second station", lambda m: m[0] == messages.HELLO)
        require(hello[10] == probe.session, f"bound to session {hello[10]} after {said} HELLOs of a second station")
        probe.say(probe.command_frame(said, head=probe.head(messages.COMMAND, session=second)))
        probe.pump(50)
    ours = sum(1 for _, m in probe.heard if m[0] == messages.STATE and m[4] == probe.session)
    require(ours >= 3, f"{ours} STATEs for the first station in 700 ms")
    require(not any(m[0] == messages.RESULT for _, m in probe.heard), "a COMMAND of the second station was done")
    return f"{said} HELLOs refused, {ours} STATEs for the first station meanwhile"


@check(
    "second-station-after-300-ms",
    "a station quiet for 300 ms is replaced by one that says HELLO, and then unheard",
)
def _second_station_accepted(probe: Probe) -> str:
    probe.fresh()
    probe.ask(1)
    probe.answer = None
    quiet_since_ms, first, boot, second = probe.sent_at_ms, probe.session, probe.boot, probe.session ^ 0x5A5A5A
    taken_ms = -1.0
    while probe.now_ms() - quiet_since_ms < BIND_LATEST_MS and taken_ms < 0:
        probe.say_hello(second)
        hello = probe.wait("HELLO in answer", lambda m: m[0] == messages.HELLO)
        if hello[10] == second:
            taken_ms = probe.now_ms() - quiet_since_ms
        probe.pump(30)
    require(taken_ms >= 0, f"still refused after {BIND_LATEST_MS} ms of quiet")
    require(taken_ms >= 270, f"accepted after {taken_ms:.0f} ms of quiet, before 300 ms")
    require(taken_ms <= 600, f"accepted only after {taken_ms:.0f} ms of quiet")
    probe.session, probe.last = second, None
    probe.state()
    probe.clear()
    old = probe.head(messages.COMMAND, boot=boot, session=first)
    probe.say(probe.command_frame(500, head=old))
    probe.ask(1, ident=1)
    if probe.results(500):
        raise ConformanceError("a COMMAND of the replaced station was done")
    return f"accepted after {taken_ms:.0f} ms of quiet"


BIND_LATEST_MS = 1500
