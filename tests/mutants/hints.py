"""Which test has killed a mutant last time, for those that took long: it is tried first. Nothing but time depends on it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from mutants import attack, survivors
from mutants.report import Row

WORTH_S = 0.3
"""Processor time from which on a kill is worth remembering."""

HEAD = """\
# The test that has killed a mutant, where it was hard to guess: `python tests/mutants/gate.py --learn` writes this file.
# An entry that is wrong or missing costs time and changes no verdict.

[killers]
"""


def read(path: Path) -> dict[str, str]:
    """Mutant -> test; nothing where there is no file, or one that cannot be read."""
    try:
        found = tomllib.loads(path.read_text()).get("killers", {})
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    return {mutant: test for mutant, test in found.items() if isinstance(test, str)}


def write(rows: Iterable[Row], before: Mapping[str, str], path: Path) -> None:
    """What this run has learned, and what it has found to be still true."""
    lines = []
    for row in sorted(rows, key=lambda row: row.mutant.name):
        name, result = row.mutant.name, row.result
        if result.kind in attack.KILLED and result.by and (result.cpu_s > WORTH_S or before.get(name) == result.by):
            lines.append(survivors.line(name, result.by) + "\n")
    path.write_text(HEAD + "".join(lines))
