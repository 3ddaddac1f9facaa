"""The mutation gate as a program: `python tests/mutants/gate.py --help`. What it does is in command.py."""

import os
import signal
import sys
from pathlib import Path


def start() -> None:
    """Run the gate in a process that is fit for it."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings come in the same order in every run, and with them whatever a test makes of one.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from mutants.command import main  # noqa: PLC0415  only now can it be found

    def terminate(number: int, _: object) -> None:
        # Not at once: on the way out the children are ended.
        print(f"ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminate)
    sys.exit(main())


if __name__ == "__main__":
    start()
