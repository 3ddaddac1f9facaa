"""The program of the long proofs, with proofs that take a moment."""

from __future__ import annotations

from pathlib import Path

from verify import Proof, run_shard


def proof(name: str, code: str, background: bool = False) -> Proof:
    return Proof(name, ("-c", code), background=background)


def test_a_stage_waits_for_the_one_before_but_not_for_what_runs_in_the_background(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    seen = f"import pathlib, time; first, second = pathlib.Path({str(first)!r}), pathlib.Path({str(second)!r})"
    until = "while not second.exists(): time.sleep(0.01)"
    stages = (
        (
            proof("one", f"{seen}; time.sleep(0.3); first.touch()"),
            proof("long", f"{seen}\n{until}\nprint('saw it')", background=True),
        ),
        (proof("two", f"{seen}; print(first.exists()); second.touch()"),),
    )
    found = {outcome.proof.name: outcome for outcome in run_shard(stages, tmp_path)}
    assert (found["two"].last_line, found["long"].last_line) == ("True", "saw it")
    assert all(outcome.status == 0 for outcome in found.values())


def test_a_background_proof_that_fails_early_is_told_with_its_own_status_before_the_later_ones(tmp_path: Path) -> None:
    stages = (
        (proof("short", "pass"), proof("fails", "print('why'); raise SystemExit(3)", background=True)),
        (proof("last", "import time; time.sleep(1)"),),
    )
    outcomes = run_shard(stages, tmp_path)
    assert sorted((outcome.proof.name, outcome.status) for outcome in outcomes[:2]) == [("fails", 3), ("short", 0)]
    assert next(outcome for outcome in outcomes if outcome.status).last_line == "why"
    assert outcomes[2].proof.name == "last"
