"""The state space of the safety kernel, as far as `make test` has time for it. `make verify-kernel` walks all of it:
state_space.py.
"""

from __future__ import annotations

import functools
import os
import random
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

import space_guards
import space_kernel
import space_tampering
import state_space
from pilotwire.firmware.kernel import bands, faults, table
from space_configurations import CONFIGURATIONS
from space_fault_rules import Reports
from space_guards import Deletion
from space_liveness import Liveness
from space_seen import Before, Outputs, PropertyError, Seen
from space_side_by_side import side_by_side
from space_tampering import NAMED, Tampering
from space_walk import Walk, shown
from space_world import Configuration, View, World

# One for the whole run, also where several processes share it: its name for them is as good as any number.
SEED = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID") or random.randrange(1 << 32)).randrange(1 << 32)
"""Of the samples below; it stands in their names. To repeat one, set it here."""

SMALL = [configuration for configuration in CONFIGURATIONS if not configuration.wide]


@functools.cache
def judged(name: str) -> state_space.Result:
    """Each walk is made once, for all tests. What must come to pass is asked of every tenth state of the kernel."""
    return state_space.judge(NAMED[name], every=10)


@pytest.fixture(scope="module", autouse=True)
def forget() -> Iterator[None]:
    yield
    judged.cache_clear()


@pytest.mark.parametrize("configuration", SMALL, ids=lambda configuration: configuration.name)
def test_every_transition_of_a_small_board_is_safe(configuration: Configuration) -> None:
    result = judged(configuration.name)
    assert not result.problem
    assert result.walk.complete


def test_the_sizes_in_the_head_of_the_walk_are_true() -> None:
    assert state_space.__doc__ is not None
    told = dict(re.findall(r"^(\S.*?) {2,}([\d,]+) +[\d,]+ +[\d,]+ +\d+", state_space.__doc__, re.MULTILINE))
    assert list(told) == [configuration.name for configuration in CONFIGURATIONS]
    for configuration in SMALL:
        number = int(told[configuration.name].replace(",", ""))
        size = judged(configuration.name).walk.size
        assert 0.7 * number < size < 1.4 * number, (
            f"{configuration.name} has {size:,} states: run state_space.py and copy its table"
        )


@pytest.mark.parametrize(
    "deletion",
    random.Random(SEED).sample(list(space_guards.deletions()), 24),
    ids=lambda one: f"seed {SEED}, {one.words}",
)
def test_a_guard_that_is_deleted_is_missed(deletion: Deletion) -> None:
    walks = [judged(configuration.name).walk for configuration in SMALL]
    verdict = space_guards.judge(deletion, walks)
    assert verdict.found, f"{deletion.words}: nobody notices (seed {SEED}, search complete: {verdict.complete})"


@pytest.mark.parametrize(
    "tampering", random.Random(SEED).sample(space_tampering.ALL, 12), ids=lambda one: f"seed {SEED}, {one.name}"
)
def test_a_kernel_that_has_been_tampered_with_is_noticed(tampering: Tampering) -> None:
    violation = tampering.violation()
    assert violation is not None, f"nobody notices (seed {SEED})"
    assert tampering.words in violation.words


def test_the_shortest_way_to_a_violation_is_told_in_words() -> None:
    violation = next(one for one in space_tampering.ALL if one.name == "STOP_MS +1").violation()
    assert violation is not None
    assert shown(violation.path) == "nothing x 2, car B, station AC 16 A, car C, nothing, station silent, nothing x 6"


def test_a_kernel_that_never_closes_is_told_even_though_no_tick_is_wrong() -> None:
    deletion = next(one for one in space_guards.deletions() if re.search(r"Idle -> Offering if .*: deleted", one.words))
    verdict = space_guards.judge(deletion, [judged("ventilation").walk])
    assert verdict.words == "never closes although everything is good"


def test_a_fault_that_never_clears_is_told_even_though_no_tick_is_wrong() -> None:
    known = faults.FAULTS
    never = tuple((*row[:4], faults.BY_RESTART) if row[0] == faults.STOP_BUTTON else row for row in known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "FAULTS", never)
        result = state_space.judge(NAMED["emergency"])
    assert result.problem == "never closes after the car has been replugged and faults have been cleared: stop True"


def test_a_kernel_that_stays_closed_for_ever_is_told() -> None:
    walk = judged("ventilation").walk
    live = Liveness(walk.automaton, walk.world, walk.edge)
    live._bad = live._goods[0]  # what ought to open it lets it charge on
    with space_kernel.scaled(walk.configuration.quanta):
        assert live.check(walk.automaton.start) == "does not open for good although the station is silent"


def test_a_row_that_can_never_fit_is_found_to_be_superfluous() -> None:
    never = (table.FAULTED, table.WANTS, table.CAR, table.CLOSED)
    walk = judged("ventilation").walk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "TABLE", (*table.TABLE, never))
        verdict = space_guards.judge(Deletion("the row that never fits: deleted", table.TABLE[:-1]), [walk])
    assert not verdict.found
    assert verdict.complete


def test_a_search_that_gives_up_does_not_call_a_guard_superfluous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_guards, "MOST", 0)
    deletion = next(
        one for one in space_guards.deletions() if one.words.endswith("Idle -> Faulted if Fault: without Fault")
    )
    verdict = space_guards.judge(deletion, [judged("ventilation").walk])
    assert not verdict.found
    assert not verdict.complete


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.name)
def test_the_automaton_does_what_a_whole_kernel_does(configuration: Configuration) -> None:
    parted = side_by_side(configuration, 600, random.Random(f"{SEED} {configuration.name}"))
    assert not parted, f"they part (seed {SEED}): {shown(parted)}"


def test_a_state_that_lacks_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = space_kernel._canonical
    monkeypatch.setattr(space_kernel, "_canonical", lambda kernel: {**whole(kernel), "_off_ms": "0"})
    assert side_by_side(NAMED["ventilation"], 600, random.Random(1))


def test_no_field_of_the_kernel_is_forgotten() -> None:
    with space_kernel.scaled(space_kernel.QUANTA):
        kernel = space_kernel.new_kernel(NAMED["ventilation"].parameters)
        known = set(space_kernel.fields(kernel))
        kernel._new_ms = 0  # type: ignore[attr-defined]
        assert set(space_kernel.fields(kernel)) - known == {"_new_ms"}
        kernel._new_part = object()  # type: ignore[attr-defined]
        with pytest.raises(TypeError):
            list(space_kernel.fields(kernel))


def test_a_longer_time_never_becomes_the_shorter_one() -> None:
    space_kernel.check_order(space_kernel.QUANTA)
    with pytest.raises(ValueError, match="has become longer than TELL_MS"):
        space_kernel.check_order({**space_kernel.QUANTA, "TELL_MS": 4})


def test_a_walk_that_is_cut_short_says_so() -> None:
    walk = Walk(replace(NAMED["ventilation"], depth=3)).run()
    assert not walk.complete
    assert "only to depth 3" in str(state_space.Result(walk))


@pytest.mark.parametrize(
    ("phase", "duty", "cp_off", "close", "words"),
    [
        (table.IDLE, 2666, False, False, "the phase does not fit the pilot signal"),
        (table.IDLE, 0, False, False, "the phase does not fit state F"),
        (table.IDLE, 10000, True, False, "the phase does not fit the pilot wire"),
        (table.IDLE, 10000, False, True, "the phase does not fit the contactor"),
    ],
)
def test_a_phase_that_does_not_fit_the_outputs_is_a_lie(
    phase: int, duty: int, cp_off: bool, close: bool, words: str
) -> None:
    configuration = NAMED["ventilation"]
    world = World(configuration)
    stimulus = world.stimulus(View("X1", False, False, False, False), world.start, "")
    before = Before(10000, False, close, False, False, False, phase, 0, 3)
    honest = Outputs(10000, False, False, False, False, False, False, False, table.IDLE, 0, 0, 3, bands.A)
    rule = Reports(configuration)
    rule.step(0, Seen(configuration, before, stimulus, honest, True))
    with pytest.raises(PropertyError, match=words):
        rule.step(
            0,
            Seen(
                configuration,
                before,
                stimulus,
                honest._replace(phase=phase, duty=duty, cp_off=cp_off, close=close),
                True,
            ),
        )


def test_the_command_line_tells_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(state_space, "CONFIGURATIONS", [NAMED["ventilation"]])
    monkeypatch.setattr(state_space, "SAMPLE", 1)
    monkeypatch.setattr(space_guards, "deletions", lambda: iter([Deletion("nothing: deleted", table.TABLE)]))
    assert state_space.main(["--seed", "7"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("seed 7\n")
    assert "PROBLEM a deleted guard is not noticed (search complete): nothing: deleted" in told


def test_a_violation_in_a_walk_is_a_problem() -> None:
    with next(one for one in space_tampering.CODE if one.name == "no ventilation").patch():  # type: ignore[misc]
        result = state_space.judge(NAMED["ventilation"])
    assert "ventilation does not follow state D: " in result.problem
