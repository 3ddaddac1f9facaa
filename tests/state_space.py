"""Walk the reachable states of the safety kernel and judge every transition: `python tests/state_space.py [--full]
[--guards] [--seed N]`.

What is walked is the product of three automata:

- the real kernel (space_kernel.py, space_automaton.py): every field that a later step could read, one tick at a time,
  one tick being one quantum. Times are a few quanta each and keep their order;
- its surroundings (space_world.py): in each tick nothing happens, or one thing: the car shows another level, the station
  grants another lease or falls silent, a contact sticks, a device trips, a command comes;
- the rules (space_rules.py, space_fault_rules.py): observers that see pins, leases and reports, and know nothing of the
  kernel's table.

What no single tick can break is asked of every kernel state found (space_liveness.py): with good surroundings it closes,
with a silent station it opens for good. That the rules can fail is shown by deleting each guard of the table
(space_guards.py) and by kernels that have been tampered with elsewhere (space_tampering.py); that the automaton does what
the kernel does, by running both side by side (space_side_by_side.py).

Abstraction. Left out: the pulse counter, the parameters' CRC, leases that arrive late or live longer than two quanta,
the clock's wrap, more than one thing in a tick (two in the configurations called pairs), and temperatures, currents and
resistors other than the few values of each configuration. Within that each configuration is complete: there is no
reachable state beyond those counted here.
`closes` and `opens` are the ticks that the slowest state needs for it, with a car that asks, and with one that ignores
X1. Configurations: space_configurations.py; the last ones, from "pilot wire" on, are walked with --full only.

configuration          states transitions   kernel  depth closes opens
ventilation               744       3,720      333     17      9     7
slow                    7,825      39,125      692     19      8     7
diode                   3,880      27,160    1,327     36     12     7
contactor              10,708      74,956    1,667     18      7     7
emergency               4,102      24,612    1,564     21      9     7
steps                  12,889     116,001    2,843     34     12     7
steps, prompt          10,626      85,008    4,237     34     12     7
steps, contacts         5,704      39,928    1,350     25     11     7
cable                   4,933      24,665    2,052     19     12     7
lock                   11,415      79,905    3,677     36      9     7
residual                9,518      47,590    2,637     32     14     7
self-test              31,715     158,575    6,885     31     13     7
phases                  6,669      40,014    2,355     26     21     7
phases, contacts        8,005      48,030    4,114     26     21     7
direct                  5,821      34,926    1,674     18      8     2
direct, slow            5,717      40,019    2,021     21      8     4
direct, self-test       2,235       6,705    1,293     40     20     4
direct, faults         13,978      69,890    2,654     20     12     4
pilot wire             16,808     134,464    2,972     19     11     7
pilot wire, slow       39,511     276,577    5,307     21     12     7
prompt                  8,104      56,728    1,889     19     11     7
prompt, emergency      10,854      75,978    2,352     19      9     7
graceful               31,485     188,910    7,218     20     13     7
bare                  746,858   6,721,722   39,602     25     11     7
pairs                  29,007     870,210    4,272     19      9     7
pairs, graceful       113,526   2,270,520   16,450     19     13     7
pairs, contactor       13,478     377,384    1,851     22      9     7
pairs, direct         163,565   2,453,475   13,307     18     10     2
pairs, phases           3,691      36,910    1,836     32     21     7
pairs, socket          55,730     613,030   14,844     39     12     7
contactor, rest        10,829      75,803    1,655     22      9     7
duties                 10,790      97,110    4,459     17     12     7
temperature           115,989     927,912   26,284     20     13     7
late, damage           23,633     141,798      669     19     11     7
earth                  10,192      71,344    1,799     21      9     7
reclose                 2,541      15,246    1,107     21      9     7
simplified                947       4,735      608     22      9     7
socket                 30,086     210,602   12,783     20     12     7
residual, steps        26,529     212,232    8,951     41     14     7
phases, steps         100,652   1,006,520   18,259     28     21     7
direct, modes          90,602     815,418   21,477     22     14     7
over-current           74,928     599,424   12,278     25      9     7

42 configurations, 1,886,819 states, 19,214,881 transitions; every one of them complete.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import space_guards
import space_tampering
from space_configurations import CONFIGURATIONS
from space_guards import Deletion, Verdict
from space_kernel import scaled
from space_liveness import Liveness
from space_side_by_side import side_by_side
from space_walk import ViolationError, Walk, shown
from space_world import Configuration

SAMPLE = 24
"""Deletions and tampered kernels that are tried when not all are asked for."""


@dataclass
class Result:
    """What came of one configuration."""

    walk: Walk
    problem: str = ""
    closes_in: int = 0
    opens_in: int = 0

    def __str__(self) -> str:
        walk = self.walk
        numbers = f"{walk.size:>9,}{walk.transitions:>12,}{walk.kernel_states:>9,}{walk.depth:>7}"
        end = "" if walk.complete else f", only to depth {walk.depth}"
        return f"{walk.configuration.name:<20}{numbers}{self.closes_in:>7}{self.opens_in:>6}{end}"


HEADING = f"{'configuration':<20}{'states':>9}{'transitions':>12}{'kernel':>9}{'depth':>7}{'closes':>7}{'opens':>6}"


def judge(configuration: Configuration, every: int = 1) -> Result:
    """Walk one configuration, and ask every kernel state (or each n-th) what must come to pass."""
    result = Result(Walk(configuration))
    walk = result.walk
    try:
        walk.run()
    except ViolationError as violation:
        result.problem = str(violation)
        return result
    live = Liveness(walk.automaton, walk.world, walk.edge)
    with scaled(configuration.quanta):
        for state in range(0, walk.kernel_states, every):
            if words := live.check(state):
                result.problem = f"{words}: {shown(walk.path(walk.first(state)))}"
                break
    result.closes_in, result.opens_in = live.longest, live.opening
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description="Walk the state space of the safety kernel.")
    parser.add_argument("--full", action="store_true", help="the wide configurations and all tampered kernels as well")
    parser.add_argument("--guards", action="store_true", help="delete every guard, not a sample")
    parser.add_argument("--seed", type=int, help="seed of the samples")
    options = parser.parse_args(arguments)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    chance = random.Random(seed)
    started = time.process_time()
    print(f"seed {seed}\n{HEADING}", flush=True)
    problems: list[str] = []
    results = [_walked(configuration, problems) for configuration in CONFIGURATIONS if not configuration.wide]
    walks = [result.walk for result in results if not result.problem]
    deletions = list(space_guards.deletions())
    all_deletions = len(deletions)
    if not options.guards:
        deletions = chance.sample(deletions, min(SAMPLE, len(deletions)))
    verdicts = [_deleted(deletion, walks, number, len(deletions)) for number, deletion in enumerate(deletions)]
    del walks
    if options.full:
        for configuration in CONFIGURATIONS:
            if configuration.wide:
                result = _walked(configuration, problems)
                results.append(result)
                verdicts = [
                    verdict if verdict.found or result.problem else space_guards.judge(verdict.deletion, [result.walk])
                    for verdict in verdicts
                ]
                result.walk.forget()
            parted = side_by_side(configuration, 5000, chance)
            if parted:
                problems.append(f"{configuration.name}: the automaton parts from the whole kernel: {shown(parted)}")
    tamperings = list(space_tampering.ALL) if options.full else chance.sample(space_tampering.ALL, SAMPLE)
    for tampering in tamperings:
        violation = tampering.violation()
        if violation is None or tampering.words not in violation.words:
            problems.append(
                f"a tampered kernel is not noticed ({tampering.name}, {tampering.configuration}): {violation}"
            )
    _summarise(results, verdicts, len(tamperings), all_deletions, problems)
    print(f"{time.process_time() - started:.0f} s of CPU")
    return 1 if problems else 0


def _walked(configuration: Configuration, problems: list[str]) -> Result:
    result = judge(configuration)
    print(result, flush=True)
    if result.problem:
        problems.append(f"{configuration.name}: {result.problem}")
    return result


def _deleted(deletion: Deletion, walks: Sequence[Walk], number: int, of: int) -> Verdict:
    verdict = space_guards.judge(deletion, walks)
    if verdict.found:
        print(
            f"{number + 1}/{of} {deletion.words}\n    {verdict.words} ({verdict.configuration}): {shown(verdict.path)}",
            flush=True,
        )
    return verdict


def _summarise(results: list[Result], verdicts: list[Verdict], tampered: int, guards: int, problems: list[str]) -> None:
    for verdict in verdicts:
        if not verdict.found:
            search = "complete" if verdict.complete else "given up"
            problems.append(f"a deleted guard is not noticed (search {search}): {verdict.deletion.words}")
    reports = sum(verdict.only_reports for verdict in verdicts)
    states, transitions = (
        sum(result.walk.size for result in results),
        sum(result.walk.transitions for result in results),
    )
    print(
        f"{len(results)} configurations, {states:,} states, {transitions:,} transitions; "
        f"{len(verdicts)} of {guards} guards deleted, {sum(verdict.found for verdict in verdicts)} noticed, "
        f"{reports} of them only by the reported phase; {tampered} tampered kernels; {len(problems)} problems"
    )
    for problem in problems:
        print(f"PROBLEM {problem}")


if __name__ == "__main__":
    sys.exit(main())
