"""Mutants against tests, first the likely killers, then all that can matter."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from mutants import attack
from mutants.attack import Result
from mutants.choice import Choice
from mutants.forks import Task, run
from mutants.inside import Tests
from mutants.probes import Probes
from mutants.progress import Progress
from mutants.report import Row
from mutants.sources import Mutant, compiled

Work = Iterator[tuple[int, list[str]]]
"""Mutants, each with its tests in their order."""

LISTED_SHARE = 0.2
"""Of the budget, for a mutant that is expected to survive: nearly all of its time is spent in vain."""


class Hunt:
    """The state of one run: a row for each mutant that has been tried."""

    def __init__(
        self, mutants: Mapping[int, Mutant], choice: Choice, tests: Tests, options: argparse.Namespace
    ) -> None:
        self.mutants = mutants
        self.choice = choice
        self.tests = tests
        self.options = options
        self.rows: dict[int, Row] = {}
        self._tried: dict[int, set[str]] = {}
        self._cpu_s = {test.node: test.cpu_s for test in choice.tests}

    def first(self, listed: Mapping[str, str]) -> None:
        """Every mutant, with a budget. Before them no mutant at all, with every test: what fails then would kill them all."""
        with Progress(len(self.mutants)) as progress:
            self._run(self._first(listed), progress, check=True)

    def _first(self, listed: Mapping[str, str]) -> Work:
        for number, mutant in self.mutants.items():
            tests = self.choice.tests if self.options.every_test else self.choice.reaching(mutant)
            everything = self.options.every_test and mutant.name not in listed
            budget_s = self.options.budget * (LISTED_SHARE if mutant.name in listed else 1.0)
            yield number, self.choice.ordered(tests, mutant, 0.0 if everything else budget_s)

    def unlisted(self, listed: Mapping[str, str]) -> dict[int, Mutant]:
        """The mutants that are alive so far and not listed."""
        return {
            number: row.mutant
            for number, row in sorted(self.rows.items())
            if row.result.kind == attack.SURVIVED and row.mutant.name not in listed
        }

    def second(self, remaining: Mapping[int, Mutant], watch: Probes, differs: dict[str, frozenset[int]]) -> None:
        """All tests to which the remaining mutants make a difference, but those that they have survived already."""
        with Progress(len(remaining)) as progress:
            self._run(self._second(remaining, watch, differs), progress)

    def _second(self, remaining: Mapping[int, Mutant], watch: Probes, differs: dict[str, frozenset[int]]) -> Work:
        for number, mutant in remaining.items():
            reaching = self.choice.reaching(mutant)
            tests = self.choice.differing(number, mutant, watch, differs)
            fate = f"is reached by {len(reaching)} tests, makes a difference in {len(tests)} and fails none"
            self.rows[number] = self.rows[number]._replace(fate=fate if reaching else "is not reached by any test")
            yield number, self.choice.ordered((test for test in tests if test.node not in self._tried[number]), mutant)

    def _run(self, work: Work, progress: Progress, check: bool = False) -> None:
        orders: dict[int, list[str]] = {}

        def tasks() -> Iterator[Task[int]]:
            if check:
                yield attack.attack(-1, self.tests, {}, self.choice.ordered(self.choice.tests), self._cpu_s)
            for number, order in work:
                mutant = self.mutants[number]
                if not order:
                    self._keep(number, Result(attack.SURVIVED, "", 0.0), [])
                    progress.step(survived=True)
                    continue
                orders[number] = order
                codes = {mutant.target.module: compiled(mutant.tree(), mutant.target.path)}
                yield attack.attack(number, self.tests, codes, order, self._cpu_s)

        for ended in run(tasks(), self.options.jobs):
            number, result = ended.task.key, attack.result(ended)
            if number >= 0:
                self._keep(number, result, orders.pop(number))
                progress.step(survived=result.kind not in attack.KILLED)
            elif result.kind != attack.SURVIVED:
                raise SystemExit(f"all tests in one process, without any mutant: {result.kind}, {result.by}")

    def _keep(self, number: int, result: Result, order: list[str]) -> None:
        mutant = self.mutants[number]
        before = self.rows.get(number, Row(mutant, Result(attack.SURVIVED, "", 0.0), ""))
        self.rows[number] = before._replace(result=result._replace(cpu_s=before.result.cpu_s + result.cpu_s))
        self._tried.setdefault(number, set()).update(order)
        self.choice.learn(mutant, order, result.by)
