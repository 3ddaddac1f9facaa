"""The import contracts of pyproject.toml hold, and each one breaks when its law is broken.

lint-imports judges a copy of the tree with one breach seeded, exactly as `make lint` judges the tree. What it cannot
know (a list of everything outside) is checked here on the syntax tree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tree import REPO, copy_project, imported_names, python_files

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# (what the breach is, file that commits it, its text, the one contract that must say no)
BREACHES = [
    ("firmware imports a board", "firmware/energy/seeded.py", "import pilotwire.boards", "1 layers"),
    ("firmware imports a tool", "firmware/auth/seeded.py", "from pilotwire.tools import cli", "1 layers"),
    ("hal imports firmware", "hal/seeded.py", "from pilotwire.firmware import energy", "1 layers"),
    ("a layer nobody declared", "src/pilotwire/seeded/__init__.py", "", "1 layers"),
    ("modbus imports link", "protocols/modbus/seeded.py", "from pilotwire.protocols import link", "2a protocols"),
    ("generated code imports modbus", "protocols/ocpp/_generated/seeded.py", "from ... import modbus", "2a protocols"),
    ("the kernel imports the standard library", "firmware/kernel/seeded.py", "import math", "3 the safety kernel"),
    ("the kernel imports a package", "firmware/kernel/seeded.py", "import msgspec", "3 the safety kernel"),
    ("the kernel imports its sibling", "firmware/kernel/seeded.py", "from .. import pilot", "3 the safety kernel"),
    ("the kernel imports hal", "firmware/kernel/seeded.py", "import pilotwire.hal.machine", "3 the safety kernel"),
    ("firmware imports a driver", "firmware/metering/seeded.py", "from pilotwire.hal import drivers", "4 only boards"),
    ("a tool imports a driver", "tools/seeded.py", "import pilotwire.hal.drivers", "4 only boards"),
]  # fmt: skip

NOT_FOR_PROTOCOLS = ("asyncio", "socket", "ssl", "serial", "threading", "time", "subprocess")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("seeded"))


def lint_imports(tree: Path) -> tuple[int, list[str], str]:
    """Exit code, names of the broken contracts and the whole output of lint-imports on `tree`."""
    done = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    return done.returncode, re.findall(r"^(.+) BROKEN$", output, re.MULTILINE), output


def seeded(tree: Path, file: str, text: str) -> tuple[int, list[str], str]:
    """What lint-imports says with `file` added to `tree`; the tree is as before afterwards."""
    path = tree / file
    packages = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [
        path,
        *(folder / "__init__.py" for folder in packages if folder != path.parent or path.stem != "__init__"),
    ]
    try:
        for each in written:
            each.write_text("")
        path.write_text(text + "\n")
        return lint_imports(tree)
    finally:
        for each in written:
            each.unlink()
        for folder in packages:
            folder.rmdir()


def test_the_tree_as_it_is_keeps_every_contract(copy: Path) -> None:
    code, broken, output = lint_imports(copy)
    assert code == 0, output
    assert broken == []
    assert re.search(r"Contracts: 5 kept, 0 broken", output), output


@pytest.mark.parametrize(("file", "text", "contract"), [row[1:] for row in BREACHES], ids=[row[0] for row in BREACHES])
def test_a_seeded_breach_breaks_exactly_its_contract(copy: Path, file: str, text: str, contract: str) -> None:
    code, broken, output = seeded(copy, file, text)
    assert code != 0, output
    assert len(broken) == 1, output
    assert broken[0].startswith(contract), output


def test_a_protocol_core_may_touch_none_of_the_outside_things(copy: Path) -> None:
    text = "\n".join(f"import {name}" for name in NOT_FOR_PROTOCOLS)
    code, broken, output = seeded(copy, "protocols/link/seeded.py", text)
    assert code != 0, output
    assert [name.split()[0] for name in broken] == ["2b"], output
    for name in NOT_FOR_PROTOCOLS:
        assert f"pilotwire.protocols is not allowed to import {name}" in output, output


def kernel_imports(root: Path) -> list[str]:
    """Every import of the kernel that leaves the kernel, as `file:line name`."""
    kernel = root / "firmware" / "kernel"
    return [
        f"{path.relative_to(root)}:{line} {name}"
        for path in sorted(kernel.rglob("*.py"))
        for line, name in imported_names(path, root)
        if not name.startswith("pilotwire.firmware.kernel.")
    ]


def test_the_kernel_imports_nothing_but_itself() -> None:
    assert any((REPO / "firmware" / "kernel").glob("*.py"))
    assert kernel_imports(REPO) == []


@pytest.mark.parametrize(
    "text",
    ["import time", "from sys import maxsize", "import pilotwire", "from ... import hal", "def f():\n    import gc"],
)
def test_an_import_in_the_kernel_is_found_however_it_is_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "firmware" / "kernel" / "seeded.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert len(kernel_imports(tmp_path)) == 1


def test_the_kernel_may_import_its_own_modules(tmp_path: Path) -> None:
    path = tmp_path / "firmware" / "kernel" / "seeded.py"
    path.parent.mkdir(parents=True)
    path.write_text("from .bands import A\nfrom pilotwire.firmware.kernel.duty import duty\nfrom . import lease\n")
    assert kernel_imports(tmp_path) == []


def test_every_layer_is_looked_at() -> None:
    seen = {path.relative_to(REPO).parts[0] for path in python_files()}
    assert seen == {"src", "firmware", "hal", "boards", "protocols", "tools"}
