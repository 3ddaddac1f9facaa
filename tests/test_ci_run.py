"""CI believes a run only when pytest says that tests passed.

`.ci/run` runs for real in a copy; `make` is a stand-in on the PATH that prints what the test wants it to have printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tree import REPO


def ci_run(folder: Path, output: str, code: int = 0, made_with: str | None = None) -> subprocess.CompletedProcess[str]:
    """`.ci/run` with a `make` that prints `output` and exits with `code`; its last words say how it was called."""
    shutil.copytree(REPO / ".ci", folder / ".ci")
    (folder / "tools").mkdir()
    shutil.copy(REPO / "tools" / "setup.sh", folder / "tools")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True, timeout=60)
    if made_with is not None:
        (folder / ".ci" / "lock.txt").write_text(f"# made with: {made_with}\n")
    fake = folder / "bin"
    fake.mkdir()
    (fake / "make").write_text(
        f"#!/bin/sh\necho \"make $*\" >'{folder}/called'\ncat <<'END'\n{output}\nEND\nexit {code}\n"
    )
    (fake / "make").chmod(0o755)
    # The environment has no pip of its own; setup.sh asks for it, so this one answers.
    site = next((folder / ".venv" / "lib").iterdir()) / "site-packages"
    (site / "pip").mkdir()
    (site / "pip" / "__main__.py").write_text("")
    return subprocess.run(
        [str(folder / ".ci" / "run")],
        env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "closing",
    [
        "============ 3 passed in 1.21s ============",
        "===== 120 passed, 2 skipped in 61.21s (0:01:01) =====",
        "\x1b[32m===== \x1b[1m3 passed\x1b[0m\x1b[32m in 0.1s\x1b[0m\x1b[32m =====\x1b[0m",
    ],
)
def test_a_run_with_passed_tests_is_believed_and_ends_with_their_line(tmp_path: Path, closing: str) -> None:
    done = ci_run(tmp_path, f"ruff check\n{closing}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == closing


@pytest.mark.parametrize(
    "output",
    [
        "======= no tests ran in 0.01s =======",
        "======= 7 skipped in 0.31s =======",
        "======= 100 deselected in 0.31s =======",
        "ruff check\nAll checks passed!",
        "",
    ],
)
def test_a_run_without_a_single_passed_test_fails(tmp_path: Path, output: str) -> None:
    done = ci_run(tmp_path, output)
    assert done.returncode == 1
    assert ".ci/run: pytest ran no tests" in done.stderr


def test_a_failed_make_fails_whatever_it_printed(tmp_path: Path) -> None:
    assert ci_run(tmp_path, "==== 3 passed in 1.2s ====", code=2).returncode == 2


def test_the_lock_binds_only_where_it_was_made(tmp_path: Path) -> None:
    done = ci_run(tmp_path, "==== 3 passed in 1.2s ====", made_with="CPython 2.7 pdp11")
    assert "the lock was made with CPython 2.7 pdp11, this is CPython 3." in done.stdout
    assert (tmp_path / "called").read_text() == "make test\n"


def test_where_the_lock_was_made_its_versions_are_used(tmp_path: Path) -> None:
    which = subprocess.run(
        [str(REPO / ".ci" / "lock"), "--which", sys.executable], capture_output=True, text=True, timeout=60, check=True
    )
    ci_run(tmp_path, "==== 3 passed in 1.2s ====", made_with=which.stdout.strip())
    assert (
        tmp_path / "called"
    ).read_text() == "make test CONSTRAINTS=.ci/lock.txt CSMS_CONSTRAINTS=.ci/lock-csms.txt\n"
