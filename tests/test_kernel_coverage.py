"""The coverage gate itself: it passes what is covered, names what is not, and no comment helps.

The kernel is measured by `make verify-kernel`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import branch_coverage

SOURCE = '''"""Two ways."""


def sign(number):
    """-1 or 1."""
    if number < 0:{no_branch}
        return -1{no_cover}
    return 1


def both(number):
    """Its magnitude plus one."""
    if number < 0:{no_branch}
        number = -number
    return number + 1
'''
TEST = """import sys

sys.path.insert(0, {folder!r})
import two_ways


def test_signs():
    {checks}
"""


def measure(tmp_path: Path, checks: str, no_branch: str = "", no_cover: str = "") -> subprocess.CompletedProcess[str]:
    """The gate on a made-up folder with one module and one test, which loads it through a symlink as the kernel's tests do."""
    folder = tmp_path / "real"
    folder.mkdir(exist_ok=True)
    (folder / "two_ways.py").write_text(SOURCE.format(no_branch=no_branch, no_cover=no_cover))
    (tmp_path / "link").symlink_to(folder)
    test = tmp_path / "test_made_up.py"
    test.write_text(TEST.format(folder=str(tmp_path / "link"), checks=checks))
    argv = [sys.executable, branch_coverage.__file__, str(folder), str(test)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # loading them would take most of the time
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_full_coverage_passes(tmp_path: Path) -> None:
    done = measure(tmp_path, "assert [f(n) for f in (two_ways.sign, two_ways.both) for n in (-5, 5)] == [-1, 1, 6, 6]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("100 % of all lines and branches\n")


def test_a_line_that_no_test_reaches_is_named_whatever_its_comment_says(tmp_path: Path) -> None:
    done = measure(
        tmp_path, "assert two_ways.sign(5) + two_ways.both(-5) == 7", "  # pragma: no branch", "  # pragma: no cover"
    )
    assert done.returncode == 1
    assert re.search(r"^two_ways\.py +7/8 +2/4 +line 7, 13 -> 15$", done.stdout, re.MULTILINE), done.stdout


def test_a_branch_is_named_although_all_lines_are_reached_and_so_is_a_module_that_no_test_loads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "forgotten.py").write_text("x = 1\n")
    done = measure(tmp_path, "assert two_ways.both(-5) == 6")
    assert done.returncode == 1
    assert re.search(r"^forgotten\.py +0/1 +0/0 +line 1$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^two_ways\.py +5/8 +1/4 +line 6, line 7, line 8, 13 -> 15$", done.stdout, re.MULTILINE), (
        done.stdout
    )


def test_a_failing_test_is_not_coverage(tmp_path: Path) -> None:
    done = measure(tmp_path, "assert two_ways.sign(-5) == 1 or two_ways.sign(5) == -1")
    assert done.returncode == 1
    assert "coverage says nothing" in done.stderr


def test_the_kernel_is_measured_by_the_tests_that_judge_it() -> None:
    names = {path.name for path in branch_coverage.kernel_tests()}
    assert {"test_kernel_bands.py", "test_kernel_lease.py", "test_kernel_table.py"} <= names
    assert not names & {"test_kernel_target.py", "test_kernel_coverage.py"}
    assert (branch_coverage.KERNEL / "kernel.py").exists()
