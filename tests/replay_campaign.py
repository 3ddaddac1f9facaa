"""Random recordings made with the pilot on MicroPython, each replayed on every CPython there is a claim for.

    python tests/replay_campaign.py [--count 100] [--seed N] [--jobs 2] [--python 3.13 ...]

Each session has a fault at a random moment. The last line is the result; exit status 0 when every replay was the same, on all of
them, and 1 when one was not or an interpreter is missing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = ("3.13",)
REPLAY_S = 120


def record(file: str, seed: int) -> str:
    """One recording; in a process of the pool."""
    from test_replay import record_session  # noqa: PLC0415 - beside this file; only the children need it

    record_session(Path(file), seed, "micropython")
    return file


def find_python(version: str) -> Path | None:
    """An interpreter of that version: on PATH, or among pyenv's."""
    found = shutil.which(f"python{version}")
    if (
        found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0
    ):  # pyenv leaves shims that lead nowhere
        return Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    names = [path for path in root.glob(f"{version}.*/bin/python") if path.is_file()]
    return max(names, default=None)


def environment(version: str) -> Path:
    """The interpreter of an environment with the project in it, made if missing.

    Raises LookupError, CalledProcessError or OSError.
    """
    folder = ROOT / "build" / f"python-{version}"
    python = folder / "bin" / "python"
    if not (folder / ".made").is_file():
        base = find_python(version)
        if base is None:
            raise LookupError(f"there is no CPython {version}; pyenv install {version} brings one")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "--no-input", "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, "install", "-e", ROOT], check=True)
        (folder / ".made").touch()
    return python


def replay(python: Path, files: list[Path]) -> list[str]:
    """What went wrong in replaying these files there, in sentences."""
    wrong = []
    for file in files:
        done = subprocess.run(
            [python, "-m", "pilotwire.tools.cli", "replay", file],
            check=False,
            capture_output=True,
            text=True,
            timeout=REPLAY_S,
        )
        if done.returncode != 0 or "the same effects" not in done.stdout:
            wrong.append(f"{file.name} on {python}: status {done.returncode}\n{(done.stdout + done.stderr)[-1500:]}")
    return wrong


def main(argv: list[str] | None = None) -> int:
    """Record, replay, say how it went."""
    parser = argparse.ArgumentParser(prog="replay_campaign", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100, help="recordings [100]")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(1 << 30), help="of the first one [random]"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time [all cores]")
    parser.add_argument(
        "--python", nargs="*", default=list(WANTED), help=f"CPythons besides this one [{' '.join(WANTED)}]"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the recordings there")
    args = parser.parse_args(argv)
    print(f"{args.count} recordings, --seed {args.seed}", flush=True)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        pythons = {own: Path(sys.executable), **{version: environment(version) for version in args.python}}
    except (LookupError, subprocess.CalledProcessError, OSError) as error:
        print(f"no replay: {error}")
        return 1
    with tempfile.TemporaryDirectory(prefix="pilotwire-recordings-") as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        wrong: list[str] = []
        with ProcessPoolExecutor(args.jobs) as pool:
            seeds = range(args.seed, args.seed + args.count)
            files = []
            for file in pool.map(record, [str(folder / f"{seed}.rec") for seed in seeds], seeds):
                files.append(Path(file))
                if len(files) % 10 == 0:
                    print(f"  {len(files)} recorded", flush=True)
            size = sum(file.stat().st_size for file in files)
            for version, python in pythons.items():
                parts = [files[start :: args.jobs] for start in range(args.jobs)]
                for found in pool.map(replay, [python] * args.jobs, parts):
                    wrong += found
                print(f"  replayed on CPython {version}", flush=True)
    for sentence in wrong:
        print(sentence)
    good = args.count * len(pythons) - len(wrong)
    print(
        f"{good} of {args.count} x {len(pythons)} replays the same, on CPython {' and '.join(pythons)};"
        f" {size // args.count} bytes a recording; --seed {args.seed}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
