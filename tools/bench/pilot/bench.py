"""`pilotwire bench pilot`: play all scenes, print the table, write it down."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilotwire.tools.bench.pilot.play import COLUMNS, FAST, MICROPYTHON, REAL_TIME, Numbers, Outcome, Task, play, tasks
from pilotwire.tools.bench.pilot.report import Results, markdown, terminal
from pilotwire.tools.bench.pilot.row import Scene
from pilotwire.tools.bench.pilot.scenes import ROWS, SCENES
from pilotwire.tools.rig.process import RigError
from pilotwire.tools.rig.rig import find_micropython

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """One run."""

    fast: bool = False
    write: Path | None = None
    seed: int = 1
    rows: str = ""
    """Only scenes whose name, or the name of one of whose rows, contains this."""
    workers: int = WORKERS
    """Processes that share the samples on virtual clocks; 0 takes them in this one."""


def chosen(part: str) -> tuple[Scene, ...]:
    """The scenes that `part` names."""
    return tuple(scene for scene in SCENES if part in scene.id or any(part in row.id for row in scene.rows))


def bench(options: Options) -> int:
    """Print the table; 0 when every row meets its requirement."""
    scenes = chosen(options.rows)
    if not scenes:
        print(f"no row is called {options.rows!r}; there are {', '.join(row.id for row in ROWS)}", file=sys.stderr)
        return 2
    try:
        results = measure(scenes, FAST if options.fast else Numbers(), options.seed, options.workers)
    except (RigError, concurrent.futures.BrokenExecutor) as error:
        print(f"bench pilot failed: {error}", file=sys.stderr)
        return 1
    print(terminal(results))
    if options.write is not None:
        options.write.write_text(markdown(results), encoding="utf-8")
    return 1 if results.not_met else 0


def measure(scenes: Sequence[Scene], numbers: Numbers, seed: int, workers: int = 0) -> Results:
    """Take all samples: on the virtual clocks in parallel, then, with the machine to themselves, those in real time."""
    # Without MicroPython a CPython child takes its place in real time; on the virtual clock it would only repeat the column beside.
    columns = COLUMNS if find_micropython() is not None else tuple(each for each in COLUMNS if each != MICROPYTHON)
    results = Results(scenes, seed)
    todo = tasks(scenes, numbers, columns, seed)
    outcomes = []
    with _progress(sum(task.count for task in todo)) as advance:
        # Real time comes last and has the machine to itself; most of it is waiting, so that two samples do not disturb each other.
        for real in (False, True):
            for outcome in _play_all([task for task in todo if (task.column == REAL_TIME) == real], workers):
                outcomes.append(outcome)
                advance(outcome)
    for outcome in sorted(outcomes, key=lambda each: (each.task.scene_id, each.task.column, each.task.first)):
        results.add(outcome)
    return results


def _play_all(todo: Sequence[Task], workers: int) -> Iterator[Outcome]:
    if not workers or not todo:
        yield from map(play, todo)
        return
    # Started anew, not forked: the progress bar has a thread.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        futures = [pool.submit(play, task) for task in todo]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Outcome], None]]:
    """A bar on standard error, where there is a terminal and the package for it."""
    try:
        # One of the demo's packages: a bench does without.
        from rich import progress  # noqa: PLC0415
        from rich.console import Console  # noqa: PLC0415
    except ModuleNotFoundError:
        yield lambda outcome: None
        return
    console = Console(stderr=True)
    parts = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.description}"),
    )
    with progress.Progress(*parts, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task("", total=total)
        yield lambda outcome: bar.update(
            line, advance=outcome.task.count, description=f"{outcome.task.column}: {outcome.task.scene_id}"
        )
