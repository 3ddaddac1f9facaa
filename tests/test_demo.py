"""`pilotwire demo` as a newcomer runs it: real processes, the virtual clock, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "pilotwire.tools.cli", "demo"]
LAST_LINE = re.compile(r"demo ok energy_wh=(\d+) contactor_cycles=(\d+) ocpp_transactions=(\d+) faults=0")


def run_demo(report: Path, *options: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [*COMMAND, "--report", str(report), *options], capture_output=True, text=True, timeout=180, check=False
    )
    print(done.stdout[-3000:], done.stderr[-3000:])
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("options", [("--fast",), ("--headless",)], ids=["virtual clock", "real processes"])
def test_the_demo_charges_and_four_accounts_of_the_energy_agree_within_one_per_cent(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    status, lines, _ = run_demo(tmp_path / "report", *options)
    assert status == 0
    match = LAST_LINE.fullmatch(lines[-1])
    assert match, lines[-1]
    assert len([line for line in lines if LAST_LINE.fullmatch(line)]) == 1
    energy_wh, cycles, transactions = (int(group) for group in match.groups())
    assert energy_wh >= 200
    assert cycles == 1
    assert transactions == 1
    energies = json.loads((tmp_path / "report" / "session.json").read_text())["energies_wh"]
    assert len(energies) == 4
    mean = sum(energies.values()) / 4
    assert max(abs(value - mean) for value in energies.values()) <= 0.01 * mean
    assert any("not scaled" in line for line in lines), "the output must say which kind of seconds these were"
    for name in ("session.svg", "session.png", "events.jsonl"):
        assert (tmp_path / "report" / name).stat().st_size > 1000
    rows = [json.loads(line) for line in (tmp_path / "report" / "events.jsonl").read_text().splitlines()]
    grants = [row["data"]["limit_ma"] for row in rows if row["name"] == "Grant"]
    assert grants == [32000, 16000, 0], "granted in full, lowered once by the central system, withdrawn at the end"


def test_without_the_central_system_the_demo_says_what_is_missing_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTWIRE_CSMS_PYTHON", str(tmp_path / "no-such-python"))
    status, lines, errors = run_demo(tmp_path / "report", "--headless")
    assert status == 1
    assert "demo failed" in errors
    assert "pip install" in errors
    assert not any(LAST_LINE.fullmatch(line) for line in lines)


def test_a_demo_whose_world_dies_fails_and_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*COMMAND, "--headless", "--report", str(tmp_path / "report")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for line in demo.stdout:
            if "charging at the full limit" in line:
                break
        children = children_of(demo.pid)
        world = next(pid for pid in children if b"world_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(world, 9)
        rest, errors = demo.communicate(timeout=60)
    print(rest[-500:], errors)
    assert demo.returncode == 1
    assert "demo failed" in errors
    assert "world" in errors
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def children_of(pid: int) -> list[int]:
    """Process ids of all children."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
