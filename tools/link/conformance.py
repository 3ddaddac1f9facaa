"""Does a pilot keep to docs/link.md? Meets it, runs the checks one after the other, and says what came of each."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pilotwire.protocols.link import messages

# The order of these imports is the order of the checks.
from pilotwire.tools.link import checks_binding, checks_frames, checks_leases  # noqa: F401
from pilotwire.tools.link.check import CHECKS, LEASE, NARROW, SLOW, Check
from pilotwire.tools.link.probe import LATE_MS, ConformanceError, LineError, Probe, SkipError

PASS = "pass"  # noqa: S105 - a verdict
FAIL = "FAIL"
SKIP = "skip"
TRIES = 5

WHY_NOT = {
    LEASE: "leases were forbidden with --no-lease",
    NARROW: "would leave TTL_MS narrower until the pilot's next start; allow it with --narrow",
    SLOW: "takes longer than 10 s; allow it with --slow",
}


class RefusedError(Exception):
    """Nothing can be checked here without doing harm; the text says why, and what would help."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one check."""

    name: str
    wants: str
    verdict: str
    """PASS, FAIL or SKIP."""
    figure: str
    """What was measured, or why not."""
    took_ms: int = 0
    tries: int = 1


@dataclass(slots=True)
class Report:
    """All verdicts about one pilot, and what it says of itself."""

    pilot: dict[str, object]
    verdicts: list[Verdict] = field(default_factory=list)

    def count(self, verdict: str) -> int:
        """Number of checks with this verdict."""
        return sum(1 for each in self.verdicts if each.verdict == verdict)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [each.name for each in self.verdicts if each.verdict == FAIL]


def meet(probe: Probe) -> dict[str, object]:
    """Bind to the pilot and look whether it may be disturbed; returns what it says of itself.

    Raises RefusedError or ConformanceError.
    """
    probe.answer = None
    try:
        probe.settle()
        probe.bind()
    except ConformanceError as error:
        raise _no_binding(probe, error) from None
    probe.answer = None  # what it is doing comes before the first LEASE, which would stop it
    state = probe.state()
    if state.idle and not state.idle.startswith("pilot state"):
        raise RefusedError(
            f"{state.idle}: somebody may be charging. Unplug the car first. No lease has been given or withdrawn"
        )
    probe.answer = probe.withdraw
    hello = probe.hello
    names = ("boot", "program", "unique_id", "firmware_hash", "capabilities", "reset_reason", "parameter_crc")
    return {
        name: value.hex() if isinstance(value, bytes) else value for name, value in zip(names, hello[3:10], strict=True)
    }


def _no_binding(probe: Probe, error: ConformanceError) -> Exception:
    if not probe.hello:
        bytes_seen = f"{probe.bad_frames} frames, none of them whole" if probe.bad_frames else "nothing"
        return ConformanceError(
            f"{error}; heard {bytes_seen}: is this the pilot's line, at its speed, both wires in place?"
        )
    if probe.hello[2] != messages.VERSION:
        version, program = probe.hello[2], probe.hello[4]
        return ConformanceError(
            f"the pilot ({program}) speaks version {version} of the link; this is for {messages.VERSION}"
        )
    session = probe.last_hello_session()
    if session:
        return RefusedError(
            f"the pilot listens to another station (session {session}), which is alive. Stop that one first"
        )
    return error


def run(
    probe: Probe,
    checks: Iterable[Check],
    allowed: Iterable[str],
    on_start: Callable[[Check], None],
    on_verdict: Callable[[Verdict], None],
) -> Report:
    """Meet the pilot and run these checks. `allowed` are the needs that are granted (check.py). Raises RefusedError, LineError."""
    try:
        report = Report(meet(probe))
    except ConformanceError as error:
        report = Report({}, [Verdict("answers", "a HELLO is answered", FAIL, str(error))])
        on_verdict(report.verdicts[0])
        return report
    allowed = set(allowed)
    try:
        for each in checks:
            on_start(each)
            verdict = _judge(probe, each, [WHY_NOT[need] for need in each.needs if need not in allowed])
            report.verdicts.append(verdict)
            on_verdict(verdict)
    finally:
        _leave(probe)
    return report


def _judge(probe: Probe, each: Check, missing: list[str]) -> Verdict:
    if missing:
        return Verdict(each.name, each.wants, SKIP, missing[0])
    began_ms = probe.now_ms()
    verdict, figure, tries = FAIL, "", 0
    while tries < TRIES:
        tries += 1
        probe.clear()
        verdict, figure = _once(probe, each)
        if verdict != FAIL or probe.late_ms < LATE_MS:
            break
        figure += f" (this computer or the line was {probe.late_ms:.0f} ms late; {tries} tries)"
    return Verdict(each.name, each.wants, verdict, figure, round(probe.now_ms() - began_ms), tries)


def _once(probe: Probe, each: Check) -> tuple[str, str]:
    """Verdict and figure of one try; afterwards there is no permission any more."""
    try:
        return PASS, each.function(probe)
    except ConformanceError as error:
        return FAIL, str(error)
    except SkipError as error:
        return SKIP, str(error)
    finally:
        if probe.granted and probe.last is not None:
            probe.withdraw(probe.last)


def _leave(probe: Probe) -> None:
    """No permission stays behind, and the pilot is free for the next station."""
    with contextlib.suppress(ConformanceError, SkipError, LineError):
        if probe.last is not None:
            probe.withdraw(probe.last)
        probe.unbind()


def select(names: Iterable[str]) -> list[Check]:
    """The checks of these names in their own order, all where none is named; raises KeyError with the first unknown name."""
    wanted = list(names)
    known = {each.name for each in CHECKS}
    for name in wanted:
        if name not in known:
            raise KeyError(name)
    return [each for each in CHECKS if not wanted or each.name in wanted]


def probe_on(descriptor: int, seed: int | None = None) -> Probe:
    """A probe on an open descriptor that does not block; with a seed its session numbers are the same each time."""
    return Probe(descriptor, random.Random(seed))
