"""The benches run and print their figures; the figures themselves are no business of a test."""

from __future__ import annotations

import re
import subprocess
import sys


def test_bench_start_prints_first_lease_and_memory_against_what_is_required() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pilotwire.tools.cli", "bench", "start", "--runs", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode in (0, 1)  # 1: measured, and slower than required on this machine at this moment
    assert re.search(r"process start to first lease \(ms\)\s+\d+\.\d\s+\d+\.\d\s+\d+\.\d\s+median <= 1000", done.stdout)
    assert re.search(r"resident memory \(MB\)\s+\d+\.\d\s+\d+\.\d\s+\d+\.\d\s+max <= 60", done.stdout)
