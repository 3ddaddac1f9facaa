"""One mutant, one process: the changed file is there before the tests are imported, and the first failure ends it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import NamedTuple

import pytest

from mutants.forks import Ended, Send, Task
from mutants.inside import Replacement, Tests, alarm, bound_cpu, bound_memory, call_pytest

SLACK = 3
"""A mutant may take so many times what a test takes without it,"""
FLOOR_S = 1.0
"""and this on top, for each test and for the start."""
COLLECTION_S = 10.0
"""To import what is under test, and the tests, takes less by far."""

FEW = ((2, 60), (6, 300))
"""Files, and how far down the order their tests are taken."""

FAILURE = "failure"
TIMEOUT = "timeout"
ERROR = "error"
SURVIVED = "survived"
BROKEN = "broken"
KILLED = (FAILURE, TIMEOUT, ERROR)


class Result(NamedTuple):
    """What has become of a mutant."""

    kind: str
    by: str
    """The test that killed it, or what was wrong."""
    cpu_s: float


def attack(key: int, tests: Tests, codes: dict[str, CodeType], order: list[str], cpu_s: dict[str, float]) -> Task[int]:
    """The task of running the tests `order` with `codes` for some modules. `cpu_s` is what each known test takes."""
    total_s = SLACK * sum(cpu_s[node] for node in order) + 2 * FLOOR_S

    def work(send: Send) -> None:
        def tell(kind: str, by: str) -> None:
            send(json.dumps([kind, by]).encode())

        bound_memory()
        bound_cpu(total_s)
        try:
            replacement = Replacement(codes)
            replacement.install(tests.package)
            kind, by = SURVIVED, ""
            for part in _parts(order):
                plugin = _Attack(part, cpu_s, tell)
                status = call_pytest(tests, dict.fromkeys(map(file_of, part)), plugin)
                replacement.check()
                kind, by = plugin.outcome(status)
                if kind != SURVIVED:
                    break
            tell(kind, by)
        except Exception as error:
            tell(BROKEN, f"{type(error).__name__}: {error}")

    return Task(key, work, wall_s=5 * total_s + 60)


def file_of(node: str) -> str:
    """The file of a test."""
    return node.partition("::")[0]


def _parts(order: list[str]) -> Iterator[list[str]]:
    """The tests in three runs, the first two with few files: to collect all files takes longer than most mutants live."""
    rest = order
    for files, tests in FEW:
        first = set(list(dict.fromkeys(map(file_of, rest)))[:files])
        part = [node for node in rest[:tests] if file_of(node) in first]
        if part:
            yield part
        rest = [node for node in rest[:tests] if file_of(node) not in first] + rest[tests:]
    if rest:
        yield rest


def result(ended: Ended[int]) -> Result:
    """Judge how the process ended."""
    if ended.out_of_time or ended.signal in (signal.SIGXCPU, signal.SIGKILL):
        return Result(
            TIMEOUT, "the processor time of the whole run" if not ended.out_of_time else "real time", ended.cpu_s
        )
    if ended.signal:
        return Result(ERROR, signal.Signals(ended.signal).name, ended.cpu_s)
    if not ended.data:
        return Result(BROKEN, "the process has ended without a result", ended.cpu_s)
    kind, by = json.loads(ended.data)
    return Result(kind, by, ended.cpu_s)


class _Attack:
    """A plugin that picks and orders the tests, bounds each, and tells which one failed."""

    def __init__(self, order: list[str], cpu_s: dict[str, float], tell: Callable[[str, str], None]) -> None:
        self.rank = {node: rank for rank, node in enumerate(order)}
        self.functions = {node.partition("[")[0] for node in order}
        self.cpu_s = cpu_s
        self.tell = tell
        self.failed = ""
        self.not_collected = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        with self._alarm(COLLECTION_S, "collection"):
            return (yield)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # A mutant may change the parameters of a test and so its id: what nobody has seen before belongs to its function.
        items[:] = [item for item in items if item.nodeid in self.rank or self._is_new(item.nodeid)]
        items.sort(key=lambda item: self.rank.get(item.nodeid, len(self.rank)))

    def _is_new(self, node: str) -> bool:
        return node not in self.cpu_s and node.partition("[")[0] in self.functions

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.not_collected = self.not_collected or report.nodeid

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        function = item.nodeid.partition("[")[0]
        known_s = self.cpu_s.get(item.nodeid)
        if known_s is None:
            known_s = max(s for node, s in self.cpu_s.items() if node.partition("[")[0] == function)

        with self._alarm(SLACK * known_s + FLOOR_S, item.nodeid):
            return (yield)

    @contextmanager
    def _alarm(self, cpu_s: float, what: str) -> Iterator[None]:
        def late() -> None:
            self.tell(TIMEOUT, what)
            os._exit(0)

        alarm(cpu_s, late)
        try:
            yield
        finally:
            alarm(0, late)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def outcome(self, status: int) -> tuple[str, str]:
        """What a run that came to its end has shown."""
        if self.failed:
            return FAILURE, self.failed
        if self.not_collected:
            return ERROR, f"{self.not_collected} cannot be collected"
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return SURVIVED, ""
        if status == pytest.ExitCode.USAGE_ERROR:
            return BROKEN, "pytest refuses its arguments"
        return ERROR, f"pytest ends with status {status}"
