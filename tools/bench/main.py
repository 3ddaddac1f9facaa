"""`pilotwire bench NAME`: measure this machine, or the simulated circuit on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EPILOG = "`pilotwire bench NAME --help` explains a bench and its arguments."
START_EPILOG = (
    "Figures depend on the machine and what else runs on it; read them as a set (min, median, max), not one by one."
)
PILOT_EPILOG = (
    "In process and on MicroPython the clock is virtual: the same figures on every machine. Those in real time are not."
)


def main(argv: list[str] | None = None) -> int:
    """Run one bench; exit status 0 when its requirements hold, 1 when they do not."""
    parser = argparse.ArgumentParser(
        prog="pilotwire bench", description=(__doc__ or "").split(": ", 1)[1], epilog=EPILOG
    )
    benches = parser.add_subparsers(dest="bench", required=True, metavar="NAME")
    start = benches.add_parser("start", help="process start to first lease, and memory", epilog=START_EPILOG)
    start.add_argument("--runs", type=int, default=7, help="counted runs after one warm-up (default: %(default)s)")
    pilot = benches.add_parser(
        "pilot", help="reaction times of the pilot in the simulated circuit", epilog=PILOT_EPILOG
    )
    pilot.add_argument("--fast", action="store_true", help="few samples, and long rows in process only")
    pilot.add_argument(
        "--write", type=Path, metavar="FILE", help="also write the table as Markdown, e.g. docs/timing.md"
    )
    pilot.add_argument("--seed", type=int, default=1, help="of the random phases (default: %(default)s)")
    pilot.add_argument("--rows", default="", metavar="NAME", help="only rows whose name contains NAME")
    args = parser.parse_args(argv)
    if args.bench == "start":
        if not 1 <= args.runs <= 100:
            start.error("--runs must be 1..100")
        return _start(args.runs)
    if args.write is not None and args.rows:
        pilot.error("--write is for the whole table; leave out --rows")
    return _pilot(args)


def _start(runs: int) -> int:
    from pilotwire.tools.bench.start import bench  # noqa: PLC0415 - each bench has its own needs

    return bench(runs)


def _pilot(args: argparse.Namespace) -> int:
    from pilotwire.tools.bench.pilot.bench import Options, bench  # noqa: PLC0415

    return bench(Options(args.fast, args.write, args.seed, args.rows))


if __name__ == "__main__":
    sys.exit(main())
