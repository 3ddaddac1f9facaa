"""`pilotwire link conformance`: test any pilot against docs/link.md, over a serial port or a pty."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from pilotwire.tools.link.check import CHECKS, LEASE, NARROW, SLOW, Check

EXIT_FAILED = 1
EXIT_USAGE = 2
NAME_WIDTH = 28
DESCRIPTION = """\
Be the station of a pilot and test whether it keeps to docs/link.md: about 45 checks in half a minute.
"""
EPILOG = """\
Before you start: stop the station that uses the port, and unplug the car. The tool refuses while anything is closed. While a car
is connected it runs, but gives no lease and skips those checks. With no car a lease closes nothing; each one ends within
a second, and is withdrawn at once if a car appears.

One line per check: pass, FAIL with what was wrong, or skip with the reason, and the figure that was measured. A check
that fails while this computer was kept from listening is made again, at most five times in all.

Exit status: 0 no check failed, 1 at least one did, 2 nothing could be checked.

  pilotwire link conformance --list                          what is checked
  pilotwire link conformance --port /dev/ttyACM0             everything that leaves no trace
  pilotwire link conformance --port /dev/ttyACM0 --narrow --slow --json report.json
  pilotwire link conformance --port /dev/ttyACM0 --only state-period --only lease-taken
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pilotwire link",
        description="Test a pilot link from outside, without a station.",
        epilog="`pilotwire link conformance --help` explains the test and its arguments.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    conformance = commands.add_parser(
        "conformance",
        help="test a pilot against docs/link.md",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    conformance.add_argument("--port", metavar="DEV", help="serial device or pty of the pilot")
    conformance.add_argument("--baud", type=int, default=115200, help="speed of the line (default: %(default)s)")
    conformance.add_argument("--list", action="store_true", help="say what is checked, and stop")
    conformance.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="only this check; may be repeated"
    )
    conformance.add_argument("--no-lease", action="store_true", help="give no lease, car or not")
    conformance.add_argument(
        "--narrow", action="store_true", help="also NARROW, which lasts until the pilot's next start"
    )
    conformance.add_argument("--slow", action="store_true", help="also checks that take longer than 10 seconds")
    conformance.add_argument("--json", type=Path, metavar="FILE", help="also write the verdicts to FILE")
    args = parser.parse_args(argv)
    from pilotwire.tools.link import conformance as tool  # noqa: PLC0415 - it puts the checks on the list

    try:
        chosen = tool.select(args.only)
    except KeyError as error:
        conformance.error(f"there is no check {error}; --list names them")
    if args.list:
        return _list(chosen)
    if args.port is None:
        conformance.error("--port is missing: the device of the pilot, for example /dev/ttyACM0")
    return _run(args, chosen)


def _list(chosen: list[Check]) -> int:
    for each in chosen:
        print(f"{each.name:<{NAME_WIDTH}} {each.wants}{_needs(each)}")
    print(f"{len(chosen)} checks; (lease): only with no car connected; (narrow), (slow): only when asked for.")
    return 0


def _needs(each: Check) -> str:
    return f" ({', '.join(each.needs)})" if each.needs else ""


def _run(args: argparse.Namespace, chosen: list[Check]) -> int:
    from pilotwire.firmware.shell.pilot_port import open_serial  # noqa: PLC0415 - --list and --help need no port
    from pilotwire.tools.link import conformance as tool  # noqa: PLC0415
    from pilotwire.tools.link.probe import LineError  # noqa: PLC0415

    allowed = [need for need, yes in ((LEASE, not args.no_lease), (NARROW, args.narrow), (SLOW, args.slow)) if yes]
    number = 0

    def start(each: Check) -> None:
        nonlocal number
        number += 1
        print(f"{number:2}/{len(chosen)} {each.name:<{NAME_WIDTH}} ", end="", flush=True)

    def say(verdict: tool.Verdict) -> None:
        print(f"{verdict.verdict}  {verdict.figure}", flush=True)
        if verdict.verdict == tool.FAIL:
            print(f"{'':6}the page wants: {verdict.wants}", flush=True)

    try:
        line = open_serial(args.port, args.baud)
        try:
            report = tool.run(tool.probe_on(line.fileno()), chosen, allowed, start, say)
        finally:
            line.close()
    except (OSError, LineError, tool.RefusedError) as error:
        print(f"\npilotwire link: {args.port}: {error}", file=sys.stderr)
        return EXIT_USAGE
    return _sum_up(args, report)


def _sum_up(args: argparse.Namespace, report: object) -> int:
    from pilotwire.tools.link import conformance as tool  # noqa: PLC0415

    assert isinstance(report, tool.Report)
    counts = {verdict: report.count(verdict) for verdict in (tool.PASS, tool.FAIL, tool.SKIP)}
    print(
        f"{report.pilot.get('program', 'no pilot')}: " + ", ".join(f"{count} {name}" for name, count in counts.items())
    )
    if args.json is not None:
        rows = [dataclasses.asdict(verdict) for verdict in report.verdicts]
        whole = {"port": args.port, "baud": args.baud, "pilot": report.pilot, "summary": counts, "checks": rows}
        try:
            args.json.write_text(json.dumps(whole, indent=2) + "\n")
        except OSError as error:
            print(f"pilotwire link: {args.json}: {error}", file=sys.stderr)
            return EXIT_USAGE
    return EXIT_FAILED if report.failed else 0


__all__ = ["CHECKS", "main"]

if __name__ == "__main__":
    sys.exit(main())
