"""Compare the results of several runs of the suite: `python -m hil_tests.same sim.xml mcu.xml ...` (JUnit files).

Exit status 0 when every test has had the same outcome everywhere, apart from tests that a bench has skipped because it lacks
something; those are listed with the bench's reason.
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ET  # the files are our own
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def outcomes(file: Path) -> dict[str, tuple[str, str]]:
    """Test -> (outcome, reason of a skip) in one JUnit file; raises OSError and ET.ParseError."""
    found: dict[str, tuple[str, str]] = {}
    for case in ET.parse(file).iter("testcase"):  # noqa: S314
        name = f"{case.get('classname')}::{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            found[name] = (FAILED, "")
        elif skip is not None:
            found[name] = (SKIPPED, skip.get("message") or "")
        else:
            found.setdefault(name, (PASSED, ""))
    return found


def differences(runs: dict[str, dict[str, tuple[str, str]]]) -> list[str]:
    """Sentences about tests that did not go the same way in all runs, and about tests that some run does not have."""
    said = []
    for name in sorted(set().union(*runs.values())):
        here = {run: results[name][0] for run, results in runs.items() if name in results}
        missing = [run for run in runs if run not in here]
        if missing:
            said.append(f"{name}: not run on {', '.join(missing)}")
        elif len(set(here.values()) - {SKIPPED}) > 1:
            said.append(f"{name}: " + ", ".join(f"{outcome} on {run}" for run, outcome in here.items()))
    return said


def main(argv: list[str] | None = None) -> int:
    """Print a table and the differences."""
    parser = argparse.ArgumentParser(prog="python -m hil_tests.same", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("junit", nargs="+", type=Path, help="JUnit file of one run; its name is the run's")
    args = parser.parse_args(argv)
    try:
        runs = {path.stem: outcomes(path) for path in args.junit}
    except (OSError, ET.ParseError) as error:
        print(f"cannot be compared: {error}; run the suite with --junitxml first", file=sys.stderr)
        return 2
    print(f"{'bench':16}{PASSED:>8}{FAILED:>8}{SKIPPED:>9}")
    for run, results in runs.items():
        counts = [sum(1 for outcome, _ in results.values() if outcome == kind) for kind in (PASSED, FAILED, SKIPPED)]
        print(f"{run:16}{counts[0]:8}{counts[1]:8}{counts[2]:9}")
        for reason in sorted({why for outcome, why in results.values() if outcome == SKIPPED}):
            print(f"    skipped: {reason}")
    said = differences(runs)
    for sentence in said:
        print(sentence)
    failed = any(outcome == FAILED for results in runs.values() for outcome, _ in results.values())
    print("different results" if said else "tests failed" if failed else "the same results on all benches")
    return 1 if said or failed else 0


if __name__ == "__main__":
    sys.exit(main())
