"""The list of mutants that may survive, each with its reason, and what the gate makes of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """Mutant -> reason; nothing where there is no file. ValueError when the file is something else."""
    if not path.exists():
        return {}
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    listed = document.pop("survivors", {})
    if document or not all(isinstance(reason, str) for reason in listed.values()):
        raise ValueError(f"{path} has one table, [survivors], of mutant = reason")
    return dict(listed)


def line(name: str, reason: str = "") -> str:
    """One line of the file."""
    return f"{json.dumps(name, ensure_ascii=False)} = {json.dumps(reason, ensure_ascii=False)}"


def complaints(
    every: Collection[str],
    survived: Collection[str],
    judged: Collection[str],
    listed: Mapping[str, str],
    least_percent: float,
) -> list[str]:
    """Everything that must not be. `judged` are the mutants that this run has tried; the share counts only when that is all."""
    found = [f"no reason is given for {name}" for name, reason in listed.items() if not reason.strip()]
    found += [f"listed as a survivor, but there is no such mutant: {name}" for name in listed if name not in every]
    found += [f"listed as a survivor, but killed: {name}" for name in listed if name in judged and name not in survived]
    found += [f"survived: {name}" for name in survived if name not in listed]
    killed = len(judged) - len(survived)
    if len(judged) == len(every) and killed * 100 < least_percent * len(every):
        found.append(f"{killed} of {len(every)} mutants killed, less than {least_percent:g} %")
    if not every:
        found.append("there is nothing to mutate")
    return found
