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

LINK_EPILOG = (
    "Exit status 1 when a lease was lost. At rest, and at raised priority, at most one minute each is measured."
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
    link = benches.add_parser("link", help="round trips, bytes and renewal of the lease under load", epilog=LINK_EPILOG)
    link.add_argument(
        "--minutes", type=float, default=1.0, help="of full load at normal priority (default: %(default)g)"
    )
    link.add_argument("--quick", action="store_true", help="a few seconds of everything, to see that it works")
    link.add_argument("--write", type=Path, metavar="FILE", help="also write Markdown, e.g. docs/link-timing.md")
    args = parser.parse_args(argv)
    if args.bench == "link":
        if not 0.1 <= args.minutes <= 600.0:
            link.error("--minutes must be 0.1..600")
        return _link(args)
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


def _link(args: argparse.Namespace) -> int:
    from pilotwire.tools.bench.link.bench import Options, bench  # noqa: PLC0415

    return bench(Options(args.minutes, args.quick, args.write))


if __name__ == "__main__":
    sys.exit(main())
