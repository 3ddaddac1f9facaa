"""What a run has found, in words."""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mutants import attack, survivors
from mutants.attack import Result
from mutants.sources import Mutant


class Row(NamedTuple):
    """A mutant and what became of it."""

    mutant: Mutant
    result: Result
    fate: str
    """For a survivor: how close the tests have come."""


def show(rows: list[Row], listed: dict[str, str]) -> None:
    """Print each survivor that is not listed: the change, how close the tests have come, and its line for the list."""
    for row in sorted(rows, key=lambda row: row.mutant.name):
        if row.result.kind not in attack.KILLED and row.mutant.name not in listed:
            print(
                f"\n{row.mutant.diff()}\n# {row.fate or 'passes the tests that were run'}\n{survivors.line(row.mutant.name)}"
            )


def verdict(rows: list[Row], every: list[Mutant], listed: dict[str, str], least_percent: float) -> list[str]:
    """Why the gate fails; nothing when it does not."""
    broken = [f"{row.result.by}: {row.mutant.name}" for row in rows if row.result.kind == attack.BROKEN]
    survived = {row.mutant.name for row in rows if row.result.kind not in attack.KILLED}
    names = {mutant.name for mutant in every}
    return broken + survivors.complaints(names, survived, {row.mutant.name for row in rows}, listed, least_percent)


def write(rows: list[Row], path: Path) -> None:
    """Everything, for other programs."""
    document = [
        {"mutant": row.mutant.name, "kind": row.result.kind, "by": row.result.by, "cpu_s": round(row.result.cpu_s, 3)}
        for row in rows
    ]
    path.write_text(json.dumps(document, indent=1) + "\n")


def spent(since_s: float) -> str:
    """Real time since then, and the processor time of this process and all its children so far."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return f"{time.monotonic() - since_s:.0f} s, {cpu_s:.0f} s of processor time"


def summary(rows: list[Row], since_s: float) -> str:
    """The run in one line."""
    kinds = Counter(row.result.kind for row in rows)
    killed = sum(kinds[kind] for kind in attack.KILLED)
    score = 100 * killed / max(1, len(rows))
    by_kind = ", ".join(f"{kind} {kinds[kind]}" for kind in attack.KILLED)
    return (
        f"mutants {len(rows)}, killed {killed} ({by_kind}), survived {len(rows) - killed}, score {score:.1f} %, "
        + spent(since_s)
    )
