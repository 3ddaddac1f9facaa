"""All measurements of `pilotwire bench link`, one after the other on one rig."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from pilotwire.tools.bench.link.load import cores, load
from pilotwire.tools.bench.link.rig import PING_MOST_S, LinkRig
from pilotwire.tools.bench.link.samples import Renewal, Traffic, traffic
from pilotwire.tools.rig.process import RigError
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

COST_MODULE = "pilotwire.tools.bench.link.cost"
COST_TIMEOUT_S = 120.0
SPARE_S = 120.0  # how much longer than planned the load may live, if this process can no longer end it

AT_REST = "at rest"
LOADED = "every core busy"
NORMAL = f"{LOADED}, station at normal priority"
NICE = -10
RAISED = (
    (f"{LOADED}, station at nice {NICE}", os.SCHED_OTHER, NICE),
    (f"{LOADED}, station at SCHED_RR", os.SCHED_RR, 0),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    pings: int = 300
    """Of each payload, at rest and under load."""
    rest_s: float = 60.0
    loaded_s: float = 60.0
    raised_s: float = 60.0
    """Each way to raise the station; loaded_s when a lease was lost at normal priority."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Round trips of one payload."""

    load: str
    length: int
    asked_ms: list[float]
    """From the request to the port until its event."""
    line_ms: list[float]
    """Of that, from the write to the line until the read from it."""
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one frame on one interpreter."""

    interpreter: str
    name: str
    length: int
    """Bytes on the line."""
    encode_ns: int
    decode_ns: int


@dataclass(slots=True)
class Results:
    """One run."""

    plan: Plan
    pilot: str = ""
    cores: int = 0
    trips: list[Trips] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    renewals: list[Renewal] = field(default_factory=list)
    whole: Traffic | None = None
    """From the start of the pilot to the end of the run."""
    left_out: list[str] = field(default_factory=list)
    """What could not be measured here, and why."""
    broken: str = ""
    """Why the run ended before it was complete, if it did."""

    @property
    def holds(self) -> bool:
        """No lease was lost, whatever the priority, and the run is complete."""
        return not self.broken and all(each.holds for each in self.renewals)


def measure(plan: Plan, folder: Path, say: Callable[[str], None] = lambda text: None) -> Results:
    """Everything; `say` is told what is being done. Raises RigError."""
    results = Results(plan, cores=len(cores()))
    say("cost of frames")
    results.costs = [*costs("CPython", Path(sys.executable))]
    micropython = find_micropython()
    if micropython is None:
        results.left_out.append("cost of frames on MicroPython: there is no MicroPython for this machine")
    else:
        results.costs += costs("MicroPython", micropython)
    rig = LinkRig(folder)
    with rig:
        rig.start_hardware()
        results.pilot = rig.pilot_note
        for name in (AT_REST, LOADED):
            say(f"round trips, {name}")
            with _load(folder, 4 * plan.pings * PING_MOST_S) if name == LOADED else nullcontext():
                results.trips += _trips(rig, name, plan.pings)
        rig.start_station()
        rig.wait_online()
        try:
            _watch(rig, results, say)
        except RigError as error:
            if not results.renewals:
                raise
            results.broken = str(error)  # what has been measured until then is worth its table all the same
        tally = rig.tally()
        results.whole = traffic(tally, 0, tally.slots[-1].pilot_ms)
    return results


def _watch(rig: LinkRig, results: Results, say: Callable[[str], None]) -> None:
    """The lease at rest, under load, and with a raised station."""
    plan = results.plan
    say(f"leases, {AT_REST}")
    results.renewals.append(rig.renewals(AT_REST, plan.rest_s))
    with _load(rig.folder, plan.loaded_s * (1 + len(RAISED)) + plan.raised_s * len(RAISED)):
        say(f"leases, {NORMAL}")
        results.renewals.append(rig.renewals(NORMAL, plan.loaded_s))
        raised_s = plan.raised_s if results.renewals[-1].holds else plan.loaded_s
        for name, policy, nice in RAISED:
            say(f"leases, {name}")
            try:
                rig.raise_station(policy, nice)
            except PermissionError:
                results.left_out.append(f"leases, {name}: this user may not raise a process")
                continue
            results.renewals.append(rig.renewals(name, raised_s))


def costs(name: str, interpreter: Path) -> Iterator[Cost]:
    """What frames cost on an interpreter; raises RigError."""
    done = subprocess.run(
        [str(interpreter), "-m", COST_MODULE],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=COST_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RigError(f"the cost of frames on {name} could not be measured: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        frame, *numbers = line.split("\t")
        yield Cost(name, frame, *(int(number) for number in numbers))


def _trips(rig: LinkRig, name: str, count: int) -> Iterator[Trips]:
    batches = rig.ping(count)
    tally = rig.tally()
    for batch in batches:
        asked_ms, line_ms = (list(column) for column in zip(*batch["times_ms"], strict=True))
        yield Trips(name, batch["bytes"], asked_ms, line_ms, traffic(tally, batch["start_ms"], batch["end_ms"]))


def _load(folder: Path, planned_s: float) -> AbstractContextManager[object]:
    return load(folder, planned_s + SPARE_S)
