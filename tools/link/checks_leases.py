"""Checks of leases, judged by lease_left_ms. They run with no car only: then a lease closes nothing, and that too is checked."""

from __future__ import annotations

from collections.abc import Callable

from pilotwire.protocols.link import messages
from pilotwire.tools.link.check import LEASE, NARROW, SLOW, check, require
from pilotwire.tools.link.probe import MASK, Probe, State, frame

AC = 1
LIMIT_MA = 6000
TTL_MS = 500
"""Short enough for every pilot: its own TTL_MS is 500 or more."""
EXACT_MS = 15
"""Three ticks of 5 ms between the instant a pilot stamps a STATE with and the one at which it looks at its lease."""
TTL_INDEX = 15  # of NARROW


def quiet(probe: Probe) -> State:
    """A fresh binding without permission, whose STATEs only the check answers."""
    state = probe.fresh()
    probe.answer = None
    probe.withdraw(state)
    state = probe.answered()
    require(state.lease_left_ms == 0, f"lease_left_ms is {state.lease_left_ms} although permission was withdrawn")
    return state


def grant(probe: Probe, pilot_ms: int, ttl_ms: int = TTL_MS, seq: int | None = None) -> bytes:
    """Say a LEASE that permits 6 A; returns the frame."""
    data = probe.lease_frame(pilot_ms, AC, LIMIT_MA, ttl_ms, probe.head(messages.LEASE, seq=seq))
    probe.say(data)
    return data


def permits(state: State, pilot_ms: int, ttl_ms: int = TTL_MS) -> str:
    """Raise ConformanceError unless the permission of this STATE counts from pilot_ms; returns what is left."""
    wanted_ms = ttl_ms - state.after_ms(pilot_ms)
    left_ms = state.lease_left_ms
    require(abs(left_ms - wanted_ms) <= EXACT_MS, f"lease_left_ms is {left_ms} and not {wanted_ms}")
    return f"{left_ms} ms left of {ttl_ms}"


def none(state: State, of: str) -> None:
    """Raise ConformanceError when this STATE has a permission."""
    require(state.lease_left_ms == 0, f"{state.lease_left_ms} ms of permission by {of}")


def granted(probe: Probe) -> State:
    """A STATE with a permission, given in answer to the one before."""
    before = probe.state()
    grant(probe, before.pilot_ms)
    state = probe.answered()
    permits(state, before.pilot_ms)
    return state


@check("lease-taken", "a LEASE permits until ttl_ms after the STATE that it answers", LEASE)
def _lease_taken(probe: Probe) -> str:
    quiet(probe)
    before = probe.state()
    grant(probe, before.pilot_ms)
    return permits(probe.answered(), before.pilot_ms)


@check(
    "lease-counts-from-echo", "a late LEASE is older by the delay: it counts from the pilot_ms that it repeats", LEASE
)
def _lease_counts_from_echo(probe: Probe) -> str:
    quiet(probe)
    echoed = probe.state()
    late = (probe.state(), probe.state())[-1]
    grant(probe, echoed.pilot_ms)
    return f"{late.after_ms(echoed.pilot_ms)} ms late: {permits(probe.answered(), echoed.pilot_ms)}"


@check("lease-too-old", "a LEASE that is older than its ttl_ms permits nothing", LEASE)
def _lease_too_old(probe: Probe) -> str:
    quiet(probe)
    echoed = probe.state()
    late = (probe.state(), probe.state(), probe.state())[-1]
    grant(probe, echoed.pilot_ms, 250)
    none(probe.answered(), f"a LEASE of 250 ms that is {late.after_ms(echoed.pilot_ms)} ms old")
    return f"250 ms, {late.after_ms(echoed.pilot_ms)} ms late: nothing"


@check("lease-from-the-future", "a LEASE with a pilot_ms that the pilot has not said yet permits nothing", LEASE)
def _lease_from_the_future(probe: Probe) -> str:
    quiet(probe)
    for ahead_ms in (150, 3000, 1 << 28, (1 << 29) - 1000):
        grant(probe, (probe.state().pilot_ms + ahead_ms) & MASK)
        none(probe.answered(), f"a LEASE issued {ahead_ms} ms ahead")
    granted(probe)
    return "150 ms to 6 days ahead: nothing"


@check("lease-overtaken", "a LEASE issued before the newest one heard changes nothing", LEASE)
def _lease_overtaken(probe: Probe) -> str:
    quiet(probe)
    older, newer = probe.state(), probe.state()
    grant(probe, newer.pilot_ms)
    probe.pump(25)  # into another tick: of several in one tick a pilot may look at the last one only
    grant(probe, older.pilot_ms)
    return permits(probe.answered(), newer.pilot_ms)


@check("lease-old-sequence", "a LEASE whose sequence number is not newer is ignored, whatever it says", LEASE)
def _lease_old_sequence(probe: Probe) -> str:
    quiet(probe)
    probe.say(probe.lease_frame(probe.state().pilot_ms, 0, 0, 0, probe.head(messages.LEASE, seq=1000)))
    for seq in (999, 1000, (1000 - 32767) & 0xFFFF):
        grant(probe, probe.state().pilot_ms, seq=seq)
        none(probe.answered(), f"sequence number {seq} after 1000")
    before = probe.state()
    grant(probe, before.pilot_ms, seq=1001)
    permits(probe.answered(), before.pilot_ms)
    return "999, 1000, 33769 ignored after 1000, 1001 taken"


@check("lease-sequence-wraps", "sequence numbers go round and may leave gaps", LEASE)
def _lease_sequence_wraps(probe: Probe) -> str:
    quiet(probe)
    for seq in (30000, 60000, 65535, 0, 1):
        before = probe.state()
        grant(probe, before.pilot_ms, seq=seq)
        permits(probe.answered(), before.pilot_ms)
    return "30000, 60000, 65535, 0, 1 taken"


def run_out(probe: Probe, repeat: Callable[[], None]) -> str:
    """Permission runs out by the pilot's own clock, although `repeat` is called after each STATE."""
    state = granted(probe)
    left = [state.lease_left_ms]
    for _ in range(6):
        repeat()
        before, state = state, probe.state()
        left.append(state.lease_left_ms)
        wanted_ms = max(before.lease_left_ms - state.after_ms(before.pilot_ms), 0)
        require(abs(state.lease_left_ms - wanted_ms) <= EXACT_MS, f"lease_left_ms goes {left}, {wanted_ms} was due")
    require(left[-1] == 0, f"lease_left_ms goes {left} and not to 0")
    return " ".join(map(str, left))


@check("lease-runs-out", "without a new LEASE the permission runs out by itself and never rises", LEASE)
def _lease_runs_out(probe: Probe) -> str:
    quiet(probe)
    return run_out(probe, lambda: None)


@check("lease-replayed", "the same LEASE again, as the same frame or under a new number, prolongs nothing", LEASE)
def _lease_replayed(probe: Probe) -> str:
    quiet(probe)
    kept: list[tuple[bytes, int]] = []

    def replay() -> None:
        if not kept:
            assert probe.last is not None
            kept.append((grant(probe, issued_ms()), issued_ms()))
        probe.say(kept[0][0])
        probe.pump(25)
        grant(probe, kept[0][1])

    def issued_ms() -> int:
        assert probe.last is not None
        # What is left says from when it counts.
        return (probe.last.pilot_ms + probe.last.lease_left_ms - TTL_MS) & MASK

    return run_out(probe, replay)


@check(
    "lease-withdrawn",
    "mode 0 ends the permission: the next STATE has none, and nothing issued before brings it back",
    LEASE,
)
def _lease_withdrawn(probe: Probe) -> str:
    quiet(probe)
    state = granted(probe)
    probe.withdraw(state)
    probe.pump(25)
    grant(probe, state.pilot_ms)
    after = probe.answered()
    none(after, "a LEASE as old as the withdrawal, or the withdrawal did nothing")
    return f"{state.lease_left_ms} ms, then 0"


@check("lease-withdrawn-late", "mode 0 ends the permission even when it has been on its way for long", LEASE)
def _lease_withdrawn_late(probe: Probe) -> str:
    older = quiet(probe)
    state = granted(probe)
    probe.withdraw(older)
    none(probe.answered(), "a LEASE, in spite of a withdrawal that came late")
    return f"{state.lease_left_ms} ms, then 0"


@check("lease-senseless", "an unknown mode, a ttl_ms or limit_ma out of range is the same as mode 0", LEASE)
def _lease_senseless(probe: Probe) -> str:
    quiet(probe)
    odd = [(9, LIMIT_MA, TTL_MS), (-1, LIMIT_MA, TTL_MS), (AC, LIMIT_MA, 0), (AC, LIMIT_MA, -5), (AC, LIMIT_MA, 5001)]
    odd += [(AC, 5999, TTL_MS), (AC, 0, TTL_MS), (AC, -LIMIT_MA, TTL_MS)]
    for mode, limit_ma, ttl_ms in odd:
        before = probe.state()
        grant(probe, before.pilot_ms)
        state = probe.answered()
        permits(state, before.pilot_ms)
        probe.say(probe.lease_frame(state.pilot_ms, mode, limit_ma, ttl_ms))
        none(probe.answered(), f"mode {mode}, {limit_ma} mA, {ttl_ms} ms (or the permission before it did not end)")
    return f"{len(odd)} kinds"


@check("lease-misaddressed", "a LEASE for another boot or of another session changes nothing", LEASE)
def _lease_misaddressed(probe: Probe) -> str:
    quiet(probe)
    for boot, session in ((probe.boot ^ 1, probe.session), (probe.boot, probe.session ^ 1), (probe.boot, 0)):
        head = probe.head(messages.LEASE, boot=boot, session=session)
        probe.say(probe.lease_frame(probe.state().pilot_ms, AC, LIMIT_MA, TTL_MS, head))
        none(probe.state(), "a LEASE with another " + ("session" if boot == probe.boot else "boot"))
        state = granted(probe)
        probe.say(probe.lease_frame(state.pilot_ms, 0, 0, 0, probe.head(messages.LEASE, boot=boot, session=session)))
        require(probe.state().lease_left_ms > 0, "a withdrawal with another boot or session was obeyed")
        quiet(probe)
    return "3 kinds"


@check("lease-closes-nothing", "with no car a lease closes nothing, drives no supply and shows no PWM", LEASE)
def _lease_closes_nothing(probe: Probe) -> str:
    state = quiet(probe)
    for _ in range(10):
        grant(probe, state.pilot_ms)
        state = probe.answered()  # which ends the check when anything is closed
        require(state.lease_left_ms > 0, "no permission")
        require(state.duty in {0, 10000}, f"duty {state.duty}: PWM without a car")
    return "1 s of permission, duty 10000"


@check(
    "narrow",
    "NARROW makes TTL_MS shorter and never longer again; what is unknown or out of range is ignored",
    LEASE,
    NARROW,
)
def _narrow(probe: Probe) -> str:
    def left_ms(*narrowings: tuple[int, int]) -> int:
        for index, value in narrowings:
            probe.say(frame.encode([*probe.head(messages.NARROW), index, value]))
        before = probe.state()
        grant(probe, before.pilot_ms, 1000)
        state = probe.answered()
        return state.lease_left_ms + state.after_ms(before.pilot_ms)

    quiet(probe)
    found = [
        left_ms(),
        left_ms((TTL_INDEX, 700)),
        left_ms((TTL_INDEX, 1000), (TTL_INDEX, 499), (TTL_INDEX, -1), (99, 1)),
    ]
    figure = f"of 1000 ms {found[0]} count, after NARROW to 700 {found[1]}, after NARROW to 1000 and others {found[2]}"
    require(abs(found[1] - min(found[0], 700)) <= EXACT_MS and abs(found[2] - found[1]) <= EXACT_MS, figure)
    return figure


@check(
    "lease-resynchronises",
    "when no LEASE was taken for 10 s any number is new, even if the station was not quiet",
    LEASE,
    SLOW,
)
def _lease_resynchronises(probe: Probe) -> str:
    quiet(probe)
    grant(probe, probe.state().pilot_ms, seq=20000)
    for _ in range(21):
        probe.say_hello(probe.session)
        probe.pump(500)
    before = probe.state()
    grant(probe, before.pilot_ms, seq=100)
    figure = permits(probe.answered(), before.pilot_ms)
    grant(probe, probe.state().pilot_ms, seq=99)
    after = probe.answered()
    require(after.lease_left_ms < TTL_MS - 150, "number 99 was taken after 100")
    return f"100 taken after 20000: {figure}"
