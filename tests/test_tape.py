"""The tape of the kernel's tests: what they do under CPython is done again by MicroPython, and a difference is noticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kernel_replay
from kernel_tape import ENVIRONMENT
from pilotwire.tools.rig.rig import find_micropython
from tree import REPO

MICROPYTHON = find_micropython()
NEEDED = pytest.mark.skipif(MICROPYTHON is None, reason="there is no MicroPython wheel for this machine")
TEST = """
from kernel_bench import KernelBench
from pilotwire.firmware.kernel import times
from pilotwire.firmware.kernel.duty import duty_permyriad
from pilotwire.firmware.kernel.lock import Lock

MADE_WITH_THE_MODULE = Lock()


def test_a_session(monkeypatch):
    monkeypatch.setattr(times, "SENSOR_MS", 7)
    bench = KernelBench().charging()
    bench.kernel.simplified = False  # it was seen in C first
    bench.tick()
    assert not bench.kernel.simplified and bench.kernel.close
    assert duty_permyriad(16000) == 2666


def test_a_part():
    MADE_WITH_THE_MODULE.want(True)
    assert MADE_WITH_THE_MODULE.drive
    MADE_WITH_THE_MODULE.update(False, True, 5)


def test_with_a_stand_in(monkeypatch):
    bench = KernelBench()
    bench.kernel._lock = object()
    try:
        bench.tick()
    except AttributeError:
        pass
"""


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The tape of three made-up tests, and what the program said."""
    folder = tmp_path_factory.mktemp("tape")
    (folder / "test_made_up.py").write_text(TEST)
    tape = folder / "tape"
    argv = [sys.executable, str(REPO / "tests/kernel_tape.py"), str(folder / "test_made_up.py"), "--keep", str(tape)]
    return tape, subprocess.run(argv, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)


@NEEDED
def test_what_the_tests_do_micropython_does_too(taped: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    tape, done = taped
    assert "2 of 3 tests do the same on MicroPython" in done.stdout, done.stdout + done.stderr
    assert "left out 1: a stand-in for a part of a Kernel" in done.stdout
    assert done.returncode == 1, "far too few of them"
    lines = tape.read_text().splitlines()
    assert "x times.SENSOR_MS=7" in lines
    assert any(line.endswith(".simplified=False") for line in lines)
    assert "p duty.duty_permyriad 2666 16000" in lines


@NEEDED
@pytest.mark.parametrize("kind", ["s", "c", "r", "p", "m"])
def test_a_difference_in_any_result_or_state_is_noticed(
    taped: tuple[Path, subprocess.CompletedProcess[str]], kind: str
) -> None:
    lines = taped[0].read_text().splitlines()
    number = max(number for number, line in enumerate(lines) if line.startswith(kind) and line[-1].isdigit())
    words = lines[number].split(" ")
    at = 2 if kind == "p" else -1  # where the result or the check stands
    words[at] = words[at][:-1] + str((int(words[at][-1]) + 1) % 10)
    lines[number] = " ".join(words)
    done = subprocess.run(
        [str(MICROPYTHON), kernel_replay.__file__],
        input="\n".join(lines) + "\n",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "instead of" in done.stdout, done.stdout + done.stderr
