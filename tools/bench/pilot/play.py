"""Playing scenes: many times in process, some times on MicroPython, a few times in real time."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilotwire.firmware.kernel import params
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.tools.bench.pilot.child import Child
from pilotwire.tools.bench.pilot.rigs import COARSE_TICK_MS, InProcess, Rig
from pilotwire.tools.bench.pilot.row import COUNT, Changes, Row, Scene
from pilotwire.tools.bench.pilot.scenes import SCENES
from pilotwire.tools.rig.process import RigError

IN_PROCESS = "in process"
MICROPYTHON = "MicroPython"
REAL_TIME = "real time"
COLUMNS = (IN_PROCESS, MICROPYTHON, REAL_TIME)

BOARD: Changes = ((params.MIN_OFF_MS, 0), (params.FAULT_OFF_MS, 0))
"""The simulated board with all it has, but without the contactor's minimum off-times, so that a scene need not wait for them."""

STALL_MS = 20.0
TRIES = 10
"""A sample in real time whose tick came later than STALL_MS is taken again, so often at most; what is still late then counts."""


@dataclass(frozen=True, slots=True)
class Task:
    """Some samples of one scene in one column."""

    column: str
    scene_id: str
    first: int
    count: int
    seed: int

    @property
    def scene(self) -> Scene:
        """The scene itself: a task crosses processes, a scene does not."""
        return next(scene for scene in SCENES if scene.id == self.scene_id)

    def rng(self, index: int) -> random.Random:
        """Random numbers of one sample, the same in every run with this seed."""
        return random.Random(f"{self.seed} {self.column} {self.scene_id} {self.first + index}")


@dataclass(slots=True)
class Outcome:
    """What a task has measured: values by row, and how many samples were taken again."""

    task: Task
    values: dict[str, list[int | None]] = field(default_factory=dict)
    repeated: int = 0
    program: str = ""
    """What the pilot says of itself on the link."""

    def add(self, sample: dict[str, int | None]) -> None:
        """One sample."""
        for row_id, value in sample.items():
            self.values.setdefault(row_id, []).append(value)


def play(task: Task) -> Outcome:
    """Take the samples; raises RigError naming the scene when it cannot be set."""
    try:
        if task.column == IN_PROCESS:
            return _play_in_process(task)
        with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
            return _play_child(task, Path(folder))
    except RigError as error:
        raise RigError(f"scene {task.scene_id}, {task.column}: {error}") from error


def _play_in_process(task: Task) -> Outcome:
    outcome = Outcome(task)
    base = InProcess(task.rng(0), BOARD + task.scene.changes, task.scene.ages)
    prepare(task.scene, base)
    base.world.trace.clear()
    # Where the random wait is all the chance there is, the same wait gives the same sample: it is worked out once.
    known: dict[int, dict[str, int | None]] = {}
    for index in range(task.count):
        only_wait = task.rng(index)
        wait_ms = only_wait.randrange(task.scene.wait_ms)
        values = known.get(wait_ms)
        if values is None:
            rng = task.rng(index)
            values = sample(task.scene, base.branch(rng))
            if rng.getstate() == only_wait.getstate():
                known[wait_ms] = values
        outcome.add(values)
    return outcome


def _play_child(task: Task, folder: Path) -> Outcome:
    outcome = Outcome(task)
    real = task.column == REAL_TIME
    for index in range(task.count):
        for left in reversed(range(TRIES)):
            rig = Child(task.rng(index), BOARD + task.scene.changes, folder, task.scene.ages)
            try:
                prepare(task.scene, rig)
                values = sample_real(task.scene, rig) if real else sample(task.scene, rig)
            finally:
                rig.close()
            outcome.program = rig.program
            if rig.late_ms <= STALL_MS or not left:
                break
            outcome.repeated += 1
        outcome.add(values)
    return outcome


def prepare(scene: Scene, rig: Rig) -> None:
    """Set the stage. Nothing is measured yet, so the pilot's ticks may be far apart."""
    rig.set_tick(COARSE_TICK_MS)
    scene.prepare(rig)
    rig.set_tick(TICK_MS)
    rig.run(2 * TICK_MS)  # so that no sample of an input stands for a longer time than its tick


def sample(scene: Scene, rig: Rig) -> dict[str, int | None]:
    """Wait a random time, pull the trigger, and measure every row."""
    rig.run(rig.rng.randrange(scene.wait_ms))
    first, began_ms = len(rig.world.events), rig.now_ms
    scene.stimulus(rig)
    if scene.coarse[1]:
        rig.run(began_ms + scene.coarse[0] - rig.now_ms)
        rig.run_coarse(began_ms + scene.coarse[1] - rig.now_ms)
    return _watch(rig, scene.rows, first, began_ms, scene.within_ms)


def sample_real(scene: Scene, rig: Child) -> dict[str, int | None]:
    """The same in real time, as far as it is asked for."""
    if not scene.real_from:
        rig.keep_real_time()
    rig.run(rig.rng.randrange(scene.wait_ms))
    first, began_ms = len(rig.world.events), rig.now_ms
    scene.stimulus(rig)
    if scene.real_from:
        rig.run_coarse(began_ms + scene.real_from - rig.now_ms)
        rig.keep_real_time()
    return _watch(rig, scene.rows_of(real=True), first, began_ms, scene.within_ms)


def _watch(rig: Rig, rows: Sequence[Row], first: int, began_ms: int, within_ms: int) -> dict[str, int | None]:
    """Let the world go on until there is a value for each row, or to the end where something is counted."""
    events = rig.world.events
    counts = any(row.kind == COUNT for row in rows)
    seen = -1
    end_ms = began_ms + within_ms
    while rig.now_ms < end_ms:
        if not counts and len(events) != seen:
            seen = len(events)
            if all(row.measure(events, first, began_ms) is not None for row in rows):
                break
        rig.run(min(TICK_MS, end_ms - rig.now_ms))
    return {row.id: row.measure(events, first, began_ms) for row in rows}


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many samples per scene."""

    in_process: int = 200
    micropython: int = 20
    real_time: int = 5
    fast: bool = False
    """Leave out what takes long: one sample of coarse scenes, only short scenes in a child process."""

    def of(self, scene: Scene, column: str) -> int:
        """Samples of this scene in this column."""
        if column == IN_PROCESS:
            return 1 if self.fast and scene.coarse[1] else self.in_process
        if self.fast and scene.within_ms > FAST_WITHIN_MS:
            return 0
        if column == REAL_TIME:
            return self.real_time if scene.rows_of(real=True) else 0
        return self.micropython


FAST_WITHIN_MS = 500
FAST = Numbers(in_process=2, micropython=1, real_time=1, fast=True)
CHUNK = 200


def tasks(scenes: Sequence[Scene], numbers: Numbers, columns: Sequence[str], seed: int) -> list[Task]:
    """All there is to do, the longest first, so that two workers end at about the same time."""
    found = []
    for scene in scenes:
        for column in columns:
            total = numbers.of(scene, column)
            chunk = CHUNK if column == IN_PROCESS else 5
            for first in range(0, total, chunk):
                found.append(Task(column, scene.id, first, min(chunk, total - first), seed))
    return sorted(found, key=lambda task: -task.count * task.scene.within_ms)
