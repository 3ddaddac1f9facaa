"""How long from the start of the station's process to the first lease on the line, and how much memory it takes.

Everything around the station is up (central system, meter, world, pilot on MicroPython) and a car is plugged in, so that the
first lease is a real one: it needs hello, pilot state, a meter reading, authorisation and a stored transaction.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from pilotwire.tools.rig.process import RigError, wait_for
from pilotwire.tools.rig.rig import Rig, wait_world
from pilotwire.tools.rig.settings import RigSettings

FIRST_LEASE_MAX_MS = 1000
RSS_MAX_KB = 60 * 1024
SETTLED_S = 2.0


def bench(runs: int) -> int:
    """Print the figures; 0 when the medians hold the requirement."""
    leases_ms: list[float] = []
    memory_kb: list[int] = []
    try:
        with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder, Rig(Path(folder), RigSettings()) as rig:
            rig.start_surroundings()
            rig.start_pilot()
            for run in range(runs + 1):
                _progress(run, runs)
                lease_ms, rss_kb = _one_run(rig, run)
                if run:  # the first one warms bytecode and page cache
                    leases_ms.append(lease_ms)
                    memory_kb.append(rss_kb)
    except RigError as error:
        print(f"bench start failed: {error}", file=sys.stderr)
        return 1
    lease_ok = statistics.median(leases_ms) <= FIRST_LEASE_MAX_MS
    memory_ok = max(memory_kb) <= RSS_MAX_KB
    print(f"{'':34}{'min':>9}{'median':>9}{'max':>9}   required")
    _row("process start to first lease (ms)", leases_ms, f"median <= {FIRST_LEASE_MAX_MS}", lease_ok)
    _row("station's resident memory (MB)", [kb / 1024 for kb in memory_kb], f"max <= {RSS_MAX_KB // 1024}", memory_ok)
    return 0 if lease_ok and memory_ok else 1


def _one_run(rig: Rig, run: int) -> tuple[float, int]:
    assert rig.world is not None
    plugged_ms = rig.world.plug()
    rig.data_dir = rig.folder / f"data-{run}"  # no transaction of the last run to be closed first
    started_ms = time.monotonic() * 1000
    rig.start_station()
    shot = rig.wait_snapshot("the first lease", lambda shot: shot["first_lease_ms"] is not None)
    wait_world(rig, "contacts_closed", True, plugged_ms)
    time.sleep(SETTLED_S)
    rss_kb = _rss_kb(rig.process("station").pid)
    rig.process("station").stop()
    stopped_ms = rig.world.unplug()
    wait_for("open contacts", lambda: rig.world is not None and not rig.world.read()["closed"], 10.0)
    wait_world(rig, "contacts_closed", False, stopped_ms)
    return shot["first_lease_ms"] - started_ms, rss_kb


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RigError(f"/proc/{pid}/status has no VmRSS")


def _row(name: str, values: list[float], required: str, holds: bool) -> None:
    figures = "".join(f"{value:9.1f}" for value in (min(values), statistics.median(values), max(values)))
    print(f"{name:34}{figures}   {required}: {'ok' if holds else 'NOT MET'}")


def _progress(run: int, runs: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if run == runs else ""
        print(f"\rrun {run} of {runs}", end=end, file=sys.stderr, flush=True)
