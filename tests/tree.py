"""The project as text, for tests that judge its source: where it lies, what it imports, a copy to seed breaches in."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
LAYERS = ("firmware", "hal", "boards", "protocols", "tools")
"""The user's folders; src/pilotwire/ points at each by a symlink."""


def python_files(root: Path = REPO) -> Iterator[Path]:
    """Every Python file of the product under `root`, without tests and without following the symlinks."""
    yield from sorted((root / "src" / "pilotwire").glob("*.py"))
    for layer in LAYERS:
        yield from sorted((root / layer).rglob("*.py"))


def module_name(path: Path, root: Path = REPO) -> str:
    """`firmware/kernel/lease.py` -> `pilotwire.firmware.kernel.lease`."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[0] == "src":
        parts = parts[2:]
    if parts and parts[-1] == "__init__":
        parts.pop()
    return ".".join(["pilotwire", *parts])


def imported_names(path: Path, root: Path = REPO) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything `path` imports; `from a import b` gives `a.b`."""
    package = module_name(path, root).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            for alias in node.names:
                yield node.lineno, ".".join([*base, *([node.module] if node.module else []), alias.name])


def copy_project(target: Path) -> Path:
    """The source tree copied to `target` with its symlinks as symlinks: as a fresh clone would lie there."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.mpy")
    for folder in ("src", *LAYERS):
        shutil.copytree(REPO / folder, target / folder, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, target / name)
    return target
