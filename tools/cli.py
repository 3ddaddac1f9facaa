"""The `pilotwire` command: a table of commands, each loaded only when it is called.

`pilotwire --help` therefore stays quick and needs none of the demo's packages. A command is a function
`main(argv) -> exit code` that reads its own arguments; to add one, add a row to COMMANDS.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_USAGE = 2
"""Wrong arguments, a wrong configuration, a missing part: the user can put it right."""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as a shell reports Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, its line in `--help`, and where its `main(argv)` lives."""

    name: str
    summary: str
    module: str
    function: str = "main"
    needs_extra: str = ""
    """The optional-dependency group of pyproject.toml this command imports, if any."""


COMMANDS = (
    Command("run", "run the station as a service would: pilotwire run --config FILE", "pilotwire.tools.run"),
    Command("sim", "a simulated station driven from outside: pilotwire sim station --control PORT", "pilotwire.tools.sim.main"),
    Command("replay", "play a recording of a station back and compare: pilotwire replay FILE", "pilotwire.tools.replay.main"),
    Command("demo", "watch a simulated car charge through the real stack", "pilotwire.tools.demo.run", needs_extra="demo"),
    Command("link", "test any pilot against docs/link.md: pilotwire link conformance --port DEVICE", "pilotwire.tools.link.main"),
    Command("calibrate", "calibrate a pilot's inputs against known values, over the link", "pilotwire.tools.calibrate"),
    Command("firmware", "keys and signed bundles for pilot programs", "pilotwire.tools.firmware.main", needs_extra="firmware"),
    Command("pilot-update", "send a signed bundle to a pilot: pilot-update --port DEV BUNDLE", "pilotwire.tools.firmware.update"),
    Command("bench", "measure: reactions of the pilot, its link, or the time to the first lease", "pilotwire.tools.bench.main"),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (without the program name); returns the process exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        return _run(next(each for each in COMMANDS if each.name == arguments.command), arguments.rest)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`pilotwire ... | head`). Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    width = max(len(each.name) for each in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="pilotwire",
        usage="pilotwire [--help] [--version] COMMAND [ARGUMENTS]",
        description="EV charging station controller.",
        epilog="commands:\n"
        + "\n".join(f"  {each.name:<{width}}  {each.summary}" for each in COMMANDS)
        + "\n\n`pilotwire COMMAND --help` explains a command and its arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.add_argument("command", nargs="?", choices=[each.name for each in COMMANDS], help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


class _Version(argparse.Action):
    """Asks the installed metadata only when wanted: reading it costs more than the rest of `--help`."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"pilotwire {version('pilotwire')}")
        parser.exit()


def _run(command: Command, argv: Sequence[str]) -> int:
    try:
        function = getattr(importlib.import_module(command.module), command.function)
    except ModuleNotFoundError as error:
        return _missing(command, error)
    # Late: only a command that reads a configuration pays for it, and then it is loaded already.
    from pilotwire.firmware.toml_file import ConfigError  # noqa: PLC0415

    try:
        return int(function(list(argv)))
    except ConfigError as error:
        print(f"pilotwire {command.name}: {error}", file=sys.stderr)
        return EXIT_USAGE


def _missing(command: Command, error: ModuleNotFoundError) -> int:
    name = error.name or "?"
    if name == command.module or command.module.startswith(name + "."):
        text = f"this installation has no module {command.module}; install pilotwire again"
    elif command.needs_extra and not name.startswith("pilotwire"):
        text = f"needs the package {name}; install it with: pip install 'pilotwire[{command.needs_extra}]'"
    else:
        raise error
    print(f"pilotwire {command.name}: {text}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
