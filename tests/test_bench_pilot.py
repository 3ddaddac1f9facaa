"""The timing bench: its rows cover the sheet, it measures what it says, and it notices a pilot that is too slow."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilotwire.boards.sim import signals
from pilotwire.firmware.kernel import params, times
from pilotwire.tools.bench.pilot import aged, bench, child, report, stage
from pilotwire.tools.bench.pilot import play as playing
from pilotwire.tools.bench.pilot.child import Child
from pilotwire.tools.bench.pilot.play import (
    BOARD,
    COLUMNS,
    IN_PROCESS,
    MICROPYTHON,
    REAL_TIME,
    Numbers,
    Task,
    play,
    prepare,
    sample,
    tasks,
)
from pilotwire.tools.bench.pilot.report import Results
from pilotwire.tools.bench.pilot.rigs import InProcess, Rig
from pilotwire.tools.bench.pilot.row import COUNT, TIME, VALUE, Row, Scene, Seen
from pilotwire.tools.bench.pilot.scenes import ELSEWHERE, ROWS, SCENES
from pilotwire.tools.rig.process import RigError

# The rows of sections 4, 5 and 6 of the fact sheet, by their first cell; 6 has its topics in that cell, too.
SHEET = """
4: 1.1/1.2
4: 2.1/2.2
4: 3.x
4: 4
4: 5
4: 6
4: 7
4: 8.1/8.2
4: 9.x
4: 10.1
4: 10.2
4: 11
4: CP short / diode missing / EV lost PE
4: state F shown after fault
4: wake-up of sleeping EV
4: after wake-up
4: D (ventilation)
4: simplified pilot EV
4: ISO 15118-3 T_step_EF
5: IEC 62955 RDC-DD
5: RDC-DD + main contactor
5: Contact gap
5: Fault output
5: IEC RCD type A
5: CCID20
5: UL auto-reclose
5: OpenEVSE GFI self-test
5: Western Automation RCM14
5: self-test (X804/X904)
5: Bender RCMB102
5: Ground monitor
5: Weld/stuck relay
5: UK PEN fault
5: Mirror/aux contact
6: Over-current
6: Temperature
6: Pause from host
6: 1↔3 phase switch
""".strip().splitlines()

VIRTUAL_ONCE = Numbers(in_process=1, micropython=0, real_time=0, fast=True)


def scene(name: str) -> Scene:
    return next(each for each in SCENES if each.id == name)


def row(name: str) -> Row:
    return next(each for each in ROWS if each.id == name)


# --- the rows


@pytest.mark.parametrize("topic", SHEET)
def test_each_row_of_the_sheet_is_measured_or_answered_elsewhere(topic: str) -> None:
    assert topic in {each.source for each in (*ROWS, *ELSEWHERE)}


def test_each_row_has_a_name_of_its_own_a_requirement_and_a_source() -> None:
    assert len({each.id for each in ROWS}) == len(ROWS) > 80
    assert len({each.id for each in SCENES}) == len(SCENES)
    for each in ROWS:
        assert each.least is not None or each.most is not None, each.id
        assert set(each.mark.split("/")) <= {"S", "K", "D", "ours"}, each.id
        assert each.section in ("3", "4", "5", "6", "8", "9", "design"), each.id
        assert each.what, each.id


def test_whatever_is_answered_elsewhere_says_by_whom_and_why() -> None:
    for each in ELSEWHERE:
        assert each.by in ("hardware", "car", "pilot"), each.what
        assert each.reason.endswith("."), each.what


def test_every_scene_has_200_samples_in_process_and_20_on_micropython_and_short_times_5_in_real_time() -> None:
    numbers = Numbers()
    for each in SCENES:
        assert numbers.of(each, IN_PROCESS) >= 200, each.id
        assert numbers.of(each, MICROPYTHON) >= 20, each.id
        short = [row for row in each.rows if row.kind == TIME and row.most is not None and row.most <= 1050]
        assert list(each.rows_of(real=True)) == short
        if short:
            assert numbers.of(each, REAL_TIME) >= 5, each.id


def test_three_scenes_leave_a_long_wait_out_and_their_rows_add_it() -> None:
    assert {each.id: {row.plus for row in each.rows} for each in SCENES if each.ages} == {
        "self-test-daily": {aged.SELF_TEST_SKIPPED_MS},
        "self-test-daily-car": {aged.SELF_TEST_SKIPPED_MS},
        "reclose": {aged.FAULTS_SKIPPED_MS},
    }
    assert not any(row.plus for each in SCENES if not each.ages for row in each.rows)


def test_the_tasks_hold_every_sample_exactly_once() -> None:
    numbers = Numbers()
    todo = tasks(SCENES, numbers, COLUMNS, 1)
    for each in SCENES:
        for column in COLUMNS:
            mine = [task for task in todo if task.scene_id == each.id and task.column == column]
            indices = sorted(task.first + index for task in mine for index in range(task.count))
            assert indices == list(range(numbers.of(each, column))), (each.id, column)


# --- what is read from the world's events


def events(*pairs: tuple[int, str, Any]) -> list[dict[str, Any]]:
    return [{"t_ms": t_ms, "name": name, "value": value} for t_ms, name, value in pairs]


LOG = events((90, "b", 1), (100, "a", 1), (130, "b", 2), (150, "b", 7), (180, "b", 1))
A, B = Seen("a", lambda value: value == 1), Seen("b", lambda value: value != 2)
PLAIN = Row("plain", "what", "4: 1", "S", B, most=50)


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ({}, 5),
        ({"start": A}, 50),
        ({"start": A, "plus": 1000}, 1050),
        ({"start": A, "from_stimulus": True}, -10),
        ({"start": A, "kind": VALUE}, 7),
        ({"start": A, "kind": COUNT}, 2),
        ({"kind": COUNT}, 3),
        ({"start": Seen("c", bool)}, None),
        ({"start": Seen("c", bool), "kind": COUNT}, None),
        ({"end": Seen("c", bool)}, None),
        ({"end": Seen("c", bool), "kind": COUNT}, 0),
    ],
)
def test_a_row_reads_its_value_from_the_events_after_the_stimulus(changed: dict[str, Any], value: int | None) -> None:
    assert replace(PLAIN, **changed).measure(LOG, 0, 85) == value


def test_an_event_before_the_stimulus_does_not_count() -> None:
    assert PLAIN.measure(LOG, 1, 95) == 55


def test_a_current_is_rounded_up() -> None:
    assert replace(PLAIN, end=Seen("a", bool), kind=VALUE).measure(events((5, "a", 4.01)), 0, 0) == 5


@pytest.mark.parametrize(
    ("least", "most", "words", "good", "bad"),
    [
        (None, 100, "≤ 100 ms", (-5, 0, 100), (101, None)),
        (5000, None, "≥ 5000 ms", (5000, 99999), (4999, None)),
        (30000, 30100, "30 000 … 30 100 ms", (30000, 30100), (29999, 30101, None)),
        (0, 0, "= 0 ms", (0,), (1, -1, None)),
    ],
)
def test_a_requirement_holds_inside_its_bounds(
    least: int | None, most: int | None, words: str, good: tuple[int, ...], bad: tuple[int | None, ...]
) -> None:
    each = replace(PLAIN, least=least, most=most)
    assert each.requirement == words
    assert all(map(each.holds, good))
    assert not any(map(each.holds, bad))


# --- playing


def test_every_row_holds_in_process() -> None:
    results = bench.measure(SCENES, VIRTUAL_ONCE, seed=7)
    assert {each.id: results.verdict(each) for each in results.rows()} == {each.id: report.OK for each in ROWS}


@pytest.mark.parametrize("name", ["unplug", "self-test-daily", "self-test-daily-car", "reclose"])
def test_the_pilot_in_a_child_process_does_the_same_to_the_millisecond(name: str, tmp_path: Path) -> None:
    each = scene(name)
    changes = BOARD + each.changes

    def run(make: Callable[[random.Random], Rig]) -> tuple[list[dict[str, Any]], dict[str, int | None]]:
        rig = make(random.Random("one"))
        try:
            prepare(each, rig)
            values = sample(each, rig)
            return rig.world.events, values
        finally:
            rig.close()

    here = run(lambda rng: InProcess(rng, changes, each.ages))
    assert here == run(lambda rng: Child(rng, changes, tmp_path, each.ages))
    assert all(row(row_id).holds(value) for row_id, value in here[1].items())


def test_reclosing_after_a_wait_that_is_left_out_comes_when_it_comes_after_the_whole_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reclose(skipped_ms: int) -> int:
        monkeypatch.setattr(aged, "FAULTS_SKIPPED_MS", skipped_ms)
        shorter = (*scene("reclose").changes, (params.RECLOSE_MS, 300000))
        rig = InProcess(random.Random("one"), BOARD + shorter, aged=True)
        each = replace(
            scene("reclose"),
            within_ms=305000 - skipped_ms,
            coarse=(11500, 299500 - skipped_ms),
            rows=(replace(row("reclose"), plus=skipped_ms),),
        )
        prepare(each, rig)
        value = sample(each, rig)["reclose"]
        assert value is not None
        return value

    assert reclose(285000) == reclose(0) > 300000


def test_a_pilot_as_it_is_on_the_board_refuses_to_be_aged() -> None:
    with pytest.raises(RigError, match="cannot be moved on"):
        ready().age_self_test()
    with pytest.raises(RigError, match="cannot be moved on"):
        ready().age_faults()


def test_the_same_seed_gives_the_same_values_and_each_sample_a_phase_of_its_own() -> None:
    first, again, other = (play(Task(IN_PROCESS, "s2-open", 0, 30, seed)) for seed in (1, 1, 2))
    assert first.values == again.values != other.values
    assert len({value for value in first.values["s2-open-command"] if value is not None}) == 5, (
        "five phases of the tick"
    )


def test_samples_that_share_a_preparation_do_not_share_a_world() -> None:
    base = InProcess(random.Random(1), BOARD)
    stage.ready(base)
    before = (base.now_ms, len(base.world.events))
    branch = base.branch(random.Random(2))
    branch.world.plug()
    branch.permit(16000)
    branch.run(3000)
    assert branch.world.contactor.closed
    assert (base.now_ms, len(base.world.events)) == before
    base.run(3000)
    assert not base.world.car.circuit.plugged
    assert base.world.outputs.duty == 1.0


def test_time_passes_to_the_very_millisecond_and_ticks_stay_on_their_grid() -> None:
    rig = InProcess(random.Random(1), BOARD)
    ticks: list[int] = []
    tick = rig._tick
    rig._tick = lambda: (ticks.append(rig.now_ms), tick())[1]  # type: ignore[func-returns-value,method-assign]
    rig.run(3)
    assert rig.now_ms == 3
    rig.run(8)
    assert rig.now_ms == 11
    rig.run_coarse(40)
    assert rig.now_ms == 51
    rig.run(10)
    assert ticks == [0, 5, 10, 15, 50, 55, 60]


class System:
    """The system's clock as child.py sees it: it moves while the pilot computes and while this process sleeps, always too long."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, computes_s: float, oversleeps_s: float
    ) -> None:
        self.now_s = 5000.0
        self.asked_ms: list[int] = []
        self.written_ms: list[int] = []
        self._oversleeps_s = oversleeps_s
        self.rig = Child(random.Random(1), BOARD, folder)
        stage.ready(self.rig)
        ask, write = Child._ask, signals.write

        def ask_long(rig: Child) -> None:
            self.asked_ms.append(rig.now_ms)
            self.now_s += computes_s
            ask(rig)

        def note_write(*arguments: Any) -> None:
            self.written_ms.append(self.rig.now_ms)
            write(*arguments)

        monkeypatch.setattr(child, "time", self)
        monkeypatch.setattr(Child, "_ask", ask_long)
        monkeypatch.setattr(signals, "write", note_write)

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds + self._oversleeps_s

    def run(self, ms: int) -> float:
        """Milliseconds of the system that this takes."""
        began_s = self.now_s
        try:
            self.rig.keep_real_time()
            self.rig.run(ms)
        finally:
            self.rig.close()
        return round((self.now_s - began_s) * 1000, 3)


def test_in_real_time_the_world_keeps_to_the_systems_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(tmp_path, monkeypatch, computes_s=0.001, oversleeps_s=0.0)
    began_ms = system.rig.now_ms
    assert system.run(83) == 83
    assert system.rig.now_ms == began_ms + 83
    assert system.rig.late_ms == pytest.approx(1.0)
    assert {later - earlier for earlier, later in itertools.pairwise(system.asked_ms)} == {5}


def test_in_real_time_the_world_goes_on_while_the_pilot_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = System(tmp_path, monkeypatch, computes_s=0.0125, oversleeps_s=0.0)
    system.run(150)
    assert system.rig.late_ms >= 12.5
    assert system.written_ms[0] == system.asked_ms[0] + 13, "rounded up"
    for asked_ms, written_ms in zip(system.asked_ms, system.written_ms, strict=False):
        assert written_ms - asked_ms in (12, 13)
    assert system.asked_ms[1:] == system.written_ms[: len(system.asked_ms) - 1], (
        "a pilot that is behind goes on at once"
    )


def test_in_real_time_the_world_goes_on_while_this_process_sleeps_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = System(tmp_path, monkeypatch, computes_s=0.001, oversleeps_s=0.011)
    began_ms = system.rig.now_ms
    system.run(150)
    assert system.rig.late_ms == pytest.approx(12.0)
    assert all((asked_ms - began_ms) % 5 == 1 for asked_ms in system.asked_ms[1:]), "11 ms after the tick was due"


# --- what must make it say NOT MET


def test_a_pilot_whose_filter_is_slow_is_not_met_and_the_exit_status_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(times, "FROM_C_MS", 200)
    monkeypatch.setattr(bench, "FAST", Numbers(in_process=2, micropython=0, real_time=0))
    assert bench.bench(bench.Options(fast=True, rows="s2-open", workers=0)) == 1
    said = capsys.readouterr().out
    assert said.count(report.NOT_MET) == 2 * 2 + 1  # two rows, in the table and below it, and their number
    assert "s2-open-contacts" in said


@pytest.mark.parametrize(
    ("scene_name", "constant", "value", "rows"),
    [
        ("pause-ignored", "STOP_MS", 5900, ["pause-ignored"]),
        ("pause-ignored", "STOP_MS", 6600, ["pause-ignored"]),
        ("diode", "DIODE_BAD_MS", 100, ["diode-contacts"]),
        ("diode", "F_HOLD_MS", 290, ["diode-f"]),
        ("duty-spacing", "SPACING_MS", 4990, ["duty-spacing"]),
        ("duty-spacing", "SPACING_MS", 5020, ["duty-first-instant"]),
        ("earth", "EARTH_MS", 90, ["earth"]),
        ("lease-expires-stiff", "DRAIN_MS", 1100, ["dc-stiff"]),
        ("bcb", "PULSE_MIN_MS", 420, ["bcb-pulses", "bcb-report"]),
        ("bcb-short", "PULSE_MIN_MS", 0, ["bcb-short"]),
        ("self-test-dead", "TRIP_MS", 800, ["self-test-dead"]),
        ("self-test-daily", "TEST_PERIOD_MS", 86400200, ["self-test-daily"]),
        ("self-test-daily-car", "TEST_PERIOD_MS", 86400200, ["self-test-daily-car"]),
    ],
)
def test_a_wrong_time_in_the_kernel_is_not_met(
    scene_name: str, constant: str, value: int, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, constant, value)
    results = Results([scene(scene_name)])
    results.add(play(Task(IN_PROCESS, scene_name, 0, 3, 1)))
    assert [each.id for each in results.not_met] == rows


def test_pwm_before_the_permission_is_not_met() -> None:
    def permit_early(rig: Rig) -> None:
        rig.permit(16000)
        stage.plug(rig)

    values = sample(replace(scene("plug-in"), stimulus=permit_early), ready())
    early = values["plug-in-pwm"]
    assert early is not None
    assert early < 0
    assert not row("plug-in-pwm").holds(early)


def test_a_car_with_a_diode_closes_what_one_without_must_not_close() -> None:
    rig = InProcess(random.Random(1), BOARD)
    scene("no-diode").prepare(rig)
    values = sample(replace(scene("no-diode"), stimulus=stage.plug), rig)
    assert values == {"no-diode": 1}
    assert not row("no-diode").holds(1)


def test_a_pilot_that_is_always_late_in_real_time_is_tried_again_and_then_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = Child._ask

    def ask_late(rig: Child) -> None:
        if rig._real:
            time.sleep(0.045)  # longer than the charge pump holds: contacts fall before anything is measured
        ask(rig)

    monkeypatch.setattr(Child, "_ask", ask_late)
    monkeypatch.setattr(playing, "TRIES", 3)
    outcome = play(Task(REAL_TIME, "cp-short", 0, 1, 1))
    assert outcome.repeated == 2
    assert not any(row(name).holds(value) for name in outcome.values for value in outcome.values[name])


def ready() -> InProcess:
    rig = InProcess(random.Random(1), BOARD)
    stage.ready(rig)
    return rig
