"""Branch coverage of the safety kernel by its own tests: 100 %, or exit status 1.

    python branch_coverage.py                      table of the kernel's modules; lists every line and branch that no test takes
    python branch_coverage.py FOLDER TEST ...      the same for another folder and other tests (what the test of this program does)

No comment can take a line out of the count: exclusions are switched off. Random scripts and walks do not count as
tests here, because they take branches without judging what each is for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
KERNEL = TESTS.parent / "firmware" / "kernel"
NOT_COUNTED = ("test_kernel_target.py", "test_kernel_random_walk.py", "test_kernel_coverage.py")

# A regular expression that matches no line, for what coverage would leave out by default.
NEVER = r"(?!)"
SETTINGS = f"""
[run]
branch = true
data_file = {{data}}
parallel = true
source = {{folder}}
[report]
exclude_lines = {NEVER}
partial_branches = {NEVER}
partial_branches_always = {NEVER}
"""


def kernel_tests() -> list[Path]:
    """The tests that judge the kernel."""
    return sorted(path for path in TESTS.glob("test_kernel_*.py") if path.name not in NOT_COUNTED)


def measure(folder: Path, tests: list[Path]) -> dict[str, Any]:
    """Coverage's JSON report for `folder`; SystemExit where a test fails."""
    with tempfile.TemporaryDirectory() as scratch:
        settings, report = Path(scratch, "settings"), Path(scratch, "report.json")
        # Modules are counted under their real path, wherever a symlink leads to them.
        settings.write_text(SETTINGS.format(data=Path(scratch, "data"), folder=folder.resolve()))
        coverage = [sys.executable, "-m", "coverage"]
        # Traced tests take several times their time: they run in two halves beside each other.
        halves = [half for half in (tests[::2], tests[1::2]) if half]
        run = [*coverage, "run", f"--rcfile={settings}", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        running = [subprocess.Popen([*run, *map(str, half)], cwd=TESTS.parent) for half in halves]
        try:
            failed = [process.args for process in running if process.wait()]
        finally:
            for process in running:
                process.kill()  # none outlives this program
        if failed:
            raise SystemExit("the tests fail: coverage says nothing then")
        for argv in (["combine", "-q"], ["json", "-q", "-o", str(report)]):
            if subprocess.run([*coverage, argv[0], f"--rcfile={settings}", *argv[1:]], check=False).returncode:
                raise SystemExit("the tests load nothing of it")
        result: dict[str, Any] = json.loads(report.read_text())
    return result


def table(report: dict[str, Any], folder: Path) -> tuple[str, bool]:
    """The table, and whether everything is covered; a module that no test has loaded is not."""
    rows = []
    complete = True
    found = {Path(name).resolve(): entry for name, entry in report["files"].items()}
    for path in sorted(folder.resolve().glob("*.py")):
        entry = found.get(path)
        if entry is None:
            rows.append(f"{path.name:<16} not loaded")
            complete = False
            continue
        summary = entry["summary"]
        lines = f"{summary['covered_lines']}/{summary['num_statements']}"
        branches = f"{summary['covered_branches']}/{summary['num_branches']}"
        lost = entry["missing_lines"]
        missing = [f"line {line}" for line in lost]
        # A branch from or to a line that is never reached need not be told as well.
        known = [(start, end) for start, end in entry["missing_branches"] if start not in lost and end not in lost]
        missing += [f"{start} -> {'exit' if end < 0 else end}" for start, end in known]
        complete = complete and not missing
        rows.append(f"{path.name:<16} {lines:>9} {branches:>9}   {', '.join(missing)}".rstrip())
    head = f"{'module':<16} {'lines':>9} {'branches':>9}   never taken"
    return "\n".join([head, *rows]), complete


def main(arguments: list[str]) -> int:
    """Exit status."""
    folder = Path(arguments[0]) if arguments else KERNEL
    report = measure(folder, [Path(name) for name in arguments[1:]] or kernel_tests())
    text, complete = table(report, folder)
    print(text)
    percent = report["totals"]["percent_covered"]
    print("100 % of all lines and branches" if complete else f"{percent:.2f} %: not all lines and branches are tested")
    return 0 if complete else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
