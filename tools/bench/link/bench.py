"""`pilotwire bench link`: measure, print the tables, write them down."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pilotwire.tools.bench.link.measure import Plan, measure
from pilotwire.tools.bench.link.report import markdown, terminal
from pilotwire.tools.rig.process import RigError

QUICK = Plan(pings=15, rest_s=2.0, loaded_s=2.0, raised_s=1.0)
SIDE_S = 60.0  # the stretches beside the one that counts need no more


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    minutes: float = 1.0
    """Under load at normal priority."""
    quick: bool = False
    write: Path | None = None

    def plan(self) -> Plan:
        """How much is measured."""
        seconds = self.minutes * 60.0
        return (
            QUICK if self.quick else Plan(rest_s=min(seconds, SIDE_S), loaded_s=seconds, raised_s=min(seconds, SIDE_S))
        )


def bench(options: Options) -> int:
    """Print the tables; 0 when no lease was lost and nothing stopped, 1 otherwise."""
    try:
        with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
            results = measure(options.plan(), Path(folder), _say)
    except RigError as error:
        print(f"bench link failed: {error}", file=sys.stderr)
        return 1
    print(terminal(results))
    if options.write is not None:
        options.write.write_text(markdown(results), encoding="utf-8")
    return 0 if results.holds else 1


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr, flush=True)
