"""`pilotwire bench NAME`: measure this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

EPILOG = (
    "Figures depend on the machine and what else runs on it; read them as a set (min, median, max), not one by one."
)


def main(argv: list[str] | None = None) -> int:
    """Run one bench; exit status 0 when its requirements hold on this machine, 1 when they do not."""
    parser = argparse.ArgumentParser(prog="pilotwire bench", description="Measure this machine.", epilog=EPILOG)
    parser.add_argument("bench", choices=sorted(BENCHES), help="start: process start to first lease, and memory")
    parser.add_argument("--runs", type=int, default=7, help="counted runs after one warm-up (default: %(default)s)")
    args = parser.parse_args(argv)
    if not 1 <= args.runs <= 100:
        parser.error("--runs must be 1..100")
    return BENCHES[args.bench](args.runs)


def _start(runs: int) -> int:
    from pilotwire.tools.bench.start import bench  # noqa: PLC0415 - each bench has its own needs

    return bench(runs)


BENCHES: dict[str, Callable[[int], int]] = {"start": _start}

if __name__ == "__main__":
    sys.exit(main())
