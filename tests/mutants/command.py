"""The mutation gate. gate.py starts it.

It changes the code under test in one place at a time and demands that the tests notice. For each mutant a process is forked
that has imported nothing of the code under test; it gets the changed file, then imports and runs the tests that can notice.

It first gets those that fit into a budget, the likely killers; what survives them gets all tests to which it makes a difference.
A mutant that is listed as a survivor counts as not killed anyway, so for the question whether its entry is stale a part of the
budget must do (`--budget 0` gives it all).
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from mutants import hints, report, survivors
from mutants.baseline import measure
from mutants.choice import Choice
from mutants.hunt import Hunt
from mutants.inside import Tests
from mutants.names import Names
from mutants.probes import Probes
from mutants.sources import Mutant, mutants, read
from tree import REPO, module_name

WITHOUT = ["test_kernel_coverage", "test_kernel_target"]
"""The one runs tests elsewhere; the other compares with an interpreter that has no mutant, so any change would fail it."""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python tests/mutants/gate.py", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--root", type=Path, default=REPO, help="the tree")
    parser.add_argument("--target", action="append", metavar="PATTERN", help="files under test [firmware/kernel/*.py]")
    parser.add_argument("--tests", action="append", metavar="PATTERN", help="their tests [tests/test_kernel_*.py]")
    parser.add_argument("--without", action="append", metavar="PART", help=f"no tests with PART in their id {WITHOUT}")
    parser.add_argument("--survivors", type=Path, help="the checked-in list [tests/mutants/survivors_kernel.toml]")
    parser.add_argument("--hints", type=Path, help="the killers of last time [tests/mutants/killers_kernel.toml]")
    parser.add_argument("--learn", action="store_true", help="write them anew; they save time and change no verdict")
    parser.add_argument("--least", type=float, default=95.0, metavar="PERCENT", help="share that must be killed [95]")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help="only mutants with PART in their name"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="for --sample")
    parser.add_argument(
        "--budget",
        type=float,
        default=1.0,
        metavar="S",
        help="processor time of the tests that a mutant gets first [1]; a listed one gets a fifth and no more; 0: all",
    )
    parser.add_argument("--quick", action="store_true", help="what survives the first tests counts as alive")
    parser.add_argument(
        "--every-test", action="store_true", help="run all tests against each mutant, not only those that can notice it"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the mutants and end")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result there")
    options = parser.parse_args(argv)
    options.root = options.root.resolve()
    options.target = options.target or ["firmware/kernel/*.py"]
    options.tests = options.tests or ["tests/test_kernel_*.py"]
    options.without = options.without or WITHOUT
    options.survivors = options.survivors or options.root / "tests/mutants/survivors_kernel.toml"
    options.hints = options.hints or options.root / "tests/mutants/killers_kernel.toml"
    return options


def main(argv: list[str] | None = None) -> int:
    """Run the gate; the exit status is 0 when it has nothing to complain about."""
    started_s = time.monotonic()
    options = arguments(argv)
    root: Path = options.root
    os.chdir(root)
    sys.path[:0] = [str(root / "src")]
    targets = [read(root, file, module_name(root / file, root)) for file in _files(root, options.target)]
    every = [mutant for target in targets for mutant in mutants(target)]
    chosen = _chosen(every, options)
    if options.list:
        print(*(every[number].name for number in chosen), sep="\n")
        return 0
    try:
        listed = survivors.read(options.survivors)
    except ValueError as error:
        print(error)
        return 1
    tests = Tests(root, "pilotwire", tuple(_files(root, options.tests)), tuple(options.without))
    names = Names(targets)
    probes = Probes(targets, {}, names)
    baseline = measure(tests, targets, probes, options.jobs)
    if baseline.trouble:
        print(baseline.trouble)
        return 1
    _preload(baseline.modules)
    known = hints.read(options.hints)
    choice = Choice(targets, probes, names, baseline, root, hints=known)
    print(f"{len(choice.tests)} tests pass ({report.spent(started_s)} so far)", flush=True)
    hunt = Hunt({number: every[number] for number in chosen}, choice, tests, options)
    hunt.first(listed)
    if options.json:
        report.write(list(hunt.rows.values()), options.json)  # the rest takes long
    remaining = hunt.unlisted(listed)
    if remaining and not options.every_test and not options.quick:
        print(f"{len(remaining)} mutants are alive and not listed ({report.spent(started_s)} so far)", flush=True)
        watch = Probes(targets, remaining, names)
        probed = measure(tests, targets, watch, options.jobs)
        if probed.trouble:
            print(probed.trouble)
            return 1
        print(f"now these tests ({report.spent(started_s)} so far)", flush=True)
        hunt.second(remaining, watch, {test.node: test.differs for test in probed.tests})
    rows = list(hunt.rows.values())
    if options.json:
        report.write(rows, options.json)
    if options.learn:
        hints.write(rows, known, options.hints)
    report.show(rows, listed)
    failures = report.verdict(rows, every, listed, options.least)
    print()
    for failure in failures:
        print("FAILED", failure)
    print(report.summary(rows, started_s))
    return 1 if failures else 0


def _files(root: Path, patterns: list[str]) -> list[str]:
    return sorted({path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern)})


def _chosen(every: list[Mutant], options: argparse.Namespace) -> list[int]:
    chosen = [number for number, mutant in enumerate(every) if _is_asked_for(mutant, options.only)]
    if options.sample is not None and options.sample < len(chosen):
        print(f"a sample of {options.sample} out of {len(chosen)} mutants, --seed {options.seed}")
        chosen = sorted(random.Random(options.seed).sample(chosen, options.sample))
    return chosen


def _is_asked_for(mutant: Mutant, parts: list[str]) -> bool:
    return not parts or any(part in mutant.name for part in parts)


def _preload(modules: list[str]) -> None:
    """Import what every child would import again, as far as it is not under test."""
    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
