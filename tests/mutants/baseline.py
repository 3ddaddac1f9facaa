"""The tests without any mutant, each alone in a process: do they pass, how long do they take, what do they do to the code?

Alone, because a fixture or a cached result that tests share would be credited to the first one that asks for it.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import pytest

from mutants.forks import Ended, Send, Task, run
from mutants.inside import Replacement, Tests, bound_cpu, bound_memory, call_pytest
from mutants.probes import Notes, Probes
from mutants.sources import Target, compiled

WALL_S = 1800.0


class Alone(NamedTuple):
    """One test by itself."""

    node: str
    cpu_s: float
    reached: frozenset[int]
    """Statements."""
    differs: frozenset[int]
    """Mutants, of those that were asked about."""


class Baseline(NamedTuple):
    """All of them."""

    tests: list[Alone]
    at_import: frozenset[int]
    """Statements that run before any test."""
    modules: list[str]
    """What the tests have imported that is no part of the tree: worth having before the forks."""
    files: list[str]
    """What they have imported that is: neither under test nor a test."""
    trouble: str
    """Why there is no baseline; empty when there is one."""


def measure(tests: Tests, targets: Iterable[Target], probes: Probes, jobs: int) -> Baseline:
    """Run every test once, in forks, and note what the probes see."""
    codes = {target.module: compiled(probes.instrumented(target), target.path) for target in targets}
    notes = Notes(probes)

    def work(send: Send) -> None:
        bound_memory()
        bound_cpu(WALL_S)
        replacement = Replacement(codes)
        plugin = _EachAlone(notes, jobs, replacement)
        try:
            replacement.install(tests.package)
            notes.install()
            status = call_pytest(tests, tests.files, plugin)
        except Exception as error:
            plugin.trouble.append(f"{type(error).__name__}: {error}")
        else:
            if not plugin.rows and not plugin.trouble:
                plugin.trouble.append(f"pytest ends with status {status} and no test has passed")
        rows = [[row.node, row.cpu_s, sorted(row.reached), sorted(row.differs)] for row in plugin.rows]
        modules, files = _imported(tests, codes)
        send(json.dumps([rows, sorted(plugin.at_import), modules, files, "\n".join(plugin.trouble)]).encode())

    (ended,) = run(iter([Task("baseline", work, WALL_S)]), 1)
    if not ended.data:
        return Baseline(
            [], frozenset(), [], [], f"the process without mutants has died ({ended.signal or 'no signal'})"
        )
    rows, at_import, modules, files, trouble = json.loads(ended.data)
    alone = [Alone(node, cpu_s, frozenset(reached), frozenset(differs)) for node, cpu_s, reached, differs in rows]
    return Baseline(alone, frozenset(at_import), modules, files, trouble)


class _EachAlone:
    """A plugin that forks for each test."""

    def __init__(self, notes: Notes, jobs: int, replacement: Replacement) -> None:
        self.notes = notes
        self.jobs = jobs
        self.replacement = replacement
        self.rows: list[Alone] = []
        self.at_import: set[int] = set()
        self.trouble: list[str] = []
        self.reports: list[pytest.TestReport] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self.trouble:
            return True
        self.replacement.check()
        self.at_import = _ones(self.notes.reached)
        self.notes.clear()
        for ended in run(self._tasks(session.items), self.jobs):
            self._take(ended)
        return True

    def _tasks(self, items: list[pytest.Item]) -> Iterator[Task[str]]:
        for item in items:
            yield Task(item.nodeid, functools.partial(self._run, item), WALL_S)

    def _run(self, item: pytest.Item, send: Send) -> None:
        before_s = time.process_time()
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        cpu_s = time.process_time() - before_s
        failed = "\n".join(report.longreprtext for report in self.reports if report.failed)
        skipped = any(report.skipped for report in self.reports)
        reached, differs = sorted(_ones(self.notes.reached)), sorted(_ones(self.notes.differs))
        send(json.dumps([skipped, failed, cpu_s, reached, differs]).encode())

    def _take(self, ended: Ended[str]) -> None:
        if not ended.data:
            self.trouble.append(f"{ended.task.key}: died without any mutant")
            return
        skipped, failed, cpu_s, reached, differs = json.loads(ended.data)
        if failed:
            self.trouble.append(f"{ended.task.key} fails without any mutant: {failed}")
        elif not skipped:
            self.rows.append(Alone(ended.task.key, cpu_s, frozenset(reached), frozenset(differs)))


def _ones(flags: bytearray) -> set[int]:
    return {index for index, flag in enumerate(flags) if flag}


def _imported(tests: Tests, codes: dict[str, CodeType]) -> tuple[list[str], list[str]]:
    modules, files = [], []
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None) or ""
        if name.partition(".")[0] == tests.package:
            if name not in codes and Path(origin).is_file():
                files.append(origin)
        elif spec is not None and (not Path(origin).is_relative_to(tests.root) or "site-packages" in origin):
            modules.append(name)
    return modules, files
