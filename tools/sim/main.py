"""`pilotwire sim`: the simulated station driven from outside, and the scripted car."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pilotwire.firmware.toml_file import ConfigError
from pilotwire.tools.rig.process import RigError
from pilotwire.tools.sim.control import SimControl
from pilotwire.tools.sim.options import OptionError, Options, read_options
from pilotwire.tools.sim.server import ControlServer
from pilotwire.tools.sim.station import SimStation

EPILOG = """\
  pilotwire sim station --control 7000            a whole station; then: echo '{"cmd": "plug"}' | nc 127.0.0.1 7000
"""


def main(argv: list[str] | None = None) -> int:
    """Exit status 0, or 2 for what cannot be set up."""
    parser = argparse.ArgumentParser(
        prog="pilotwire sim",
        description="Simulate: a whole station, driven by JSON lines.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    add_station(commands.add_parser("station", help="a whole station, driven from outside by JSON lines (docs/sim.md)"))
    args = parser.parse_args(argv)
    return int(args.run(args))


def add_station(parser: argparse.ArgumentParser) -> None:
    """The options of `pilotwire sim station`."""
    parser.add_argument(
        "--control", type=int, required=True, metavar="PORT", help="TCP port to listen at; 0: a free one"
    )
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS", help="default: this machine only, 127.0.0.1"
    )
    parser.add_argument(
        "--pilot", choices=("cpython", "micropython"), default="cpython", help="what runs the pilot's program"
    )
    parser.add_argument("--virtual", action="store_true", help="time passes only with the command 'run'")
    parser.add_argument(
        "--options", type=Path, metavar="FILE", help="how the station is set up: a JSON object, as for 'reset'"
    )
    parser.set_defaults(run=run_station)


def run_station(args: argparse.Namespace) -> int:
    """Serve until 'quit' or Ctrl-C."""
    try:
        options = read_options(json.loads(args.options.read_text())) if args.options else Options()
        with SimStation(options, pilot=args.pilot) as station:
            control = SimControl(station)
            with ControlServer(control, args.listen, args.control, virtual=args.virtual) as server:
                print(f"control port {server.port}: {station.pilot_note}", flush=True)
                server.serve()
    except KeyboardInterrupt:
        return 0
    except (OSError, OptionError, ConfigError, RigError, ValueError) as error:
        print(f"pilotwire sim station: {error}", file=sys.stderr)
        return 2
    return 0
