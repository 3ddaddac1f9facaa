"""Which tests are run against which mutant, and in what order."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from mutants.attack import file_of
from mutants.baseline import Alone, Baseline
from mutants.names import Key, Names
from mutants.probes import Probes, in_function
from mutants.sources import Mutant, Place, Target, ancestors, assigned

OVERHEAD_S = 0.002
"""What pytest itself takes for a test."""
NEARBY = 5
"""How much more a kill in the same function counts, and a test whose file is named after the file of the mutant."""


class Choice:
    """What the baseline knows, asked by mutant."""

    def __init__(
        self,
        targets: Iterable[Target],
        probes: Probes,
        names: Names,
        baseline: Baseline,
        root: Path,
        *,
        hints: Mapping[str, str],
    ) -> None:
        self.tests = baseline.tests
        self._hints = hints
        self._statements = probes.statements
        self._names = names
        self._at_import = baseline.at_import
        self._owners_at_import = _owners_at_import(targets, probes, baseline.at_import)
        self._words = {file: _words(root / file) for file in {file_of(test.node) for test in self.tests}}
        self._words_outside: set[str] = set().union(*(_words(Path(file)) for file in baseline.files))
        self._runs: Counter[tuple[str, str]] = Counter()
        self._kills: Counter[tuple[str, str]] = Counter()

    def reaching(self, mutant: Mutant) -> list[Alone]:
        """Every test that can notice the mutant; all of them where that is not known."""
        tree, place = mutant.target.tree, mutant.place
        if in_function(tree, place):
            statement = self._statement(mutant.target, place)
            if statement not in self._at_import:
                return [test for test in self.tests if statement in test.reached]
            # It has shaped what the modules hold before any test began.
        keys, statements = self._users(mutant)
        if any(name in self._words_outside for _, name in keys):
            return list(self.tests)  # used by code that is not under test, and nobody knows when
        here = [test for test in self.tests if self._mentions(test, keys) or not statements.isdisjoint(test.reached)]
        return here or list(self.tests)

    def differing(self, number: int, mutant: Mutant, probes: Probes, differs: dict[str, frozenset[int]]) -> list[Alone]:
        """Those of them in which the mutant makes a difference, as far as that has been watched."""
        here = self.reaching(mutant)
        if number not in probes.watched:
            return here
        keys: set[Key] = set()
        if not in_function(mutant.target.tree, mutant.place):
            keys = self._users(mutant)[0]
        elif self._statement(mutant.target, mutant.place) in self._at_import:
            return here
        return [test for test in here if number in differs[test.node] or self._mentions(test, keys)]

    def _users(self, mutant: Mutant) -> tuple[set[Key], set[int]]:
        """Every name that depends on what the mutant changes at import, and the statements that use one of these."""
        top = mutant.target.tree.body[mutant.place[0][1] or 0]
        keys, uses = self._names.dependents((mutant.target.module, _owner(top)), self._owners_at_import)
        statements = {self._statement(use.target, use.place) for use in uses}
        if isinstance(top, ast.FunctionDef | ast.ClassDef):
            statements |= {
                number
                for (module, place), number in self._statements.items()
                if module == mutant.target.module and place[:1] == mutant.place[:1]
            }
        return keys, statements

    def _mentions(self, test: Alone, keys: set[Key]) -> bool:
        words = self._words[file_of(test.node)]
        return any(name in words for _, name in keys)

    def _statement(self, target: Target, place: Place) -> int:
        depth = max(depth for depth, node in ancestors(target.tree, place) if isinstance(node, ast.stmt))
        return self._statements[target.module, place[:depth]]

    def ordered(self, tests: Iterable[Alone], mutant: Mutant | None = None, budget_s: float = 0) -> list[str]:
        """The test that is likely to kill in the shortest time comes first; with a budget, only as many as fit into it."""
        scope = _scope(mutant) if mutant is not None else ""
        stem = mutant.target.path.stem if mutant is not None else "?"
        order: list[str] = []
        left_s = budget_s
        hint = self._hints.get(mutant.name) if mutant is not None else None
        prices = (
            (0.0 if test.node == hint else self._price(test, scope, stem), test.node, test.cpu_s) for test in tests
        )
        for _, node, cpu_s in sorted(prices):
            left_s -= cpu_s + OVERHEAD_S
            if budget_s and order and left_s < 0:
                break
            order.append(node)
        return order

    def _price(self, test: Alone, scope: str, stem: str) -> float:
        namesake = NEARBY if stem in file_of(test.node) else 1
        kills = self._kills["", test.node] + NEARBY * self._kills[scope, test.node] + namesake
        runs = self._runs["", test.node] + NEARBY * self._runs[scope, test.node] + NEARBY
        return (test.cpu_s + OVERHEAD_S) * runs / kills

    def learn(self, mutant: Mutant, order: list[str], killer: str) -> None:
        """Take note of a run that ended with the test `killer`, or passed all tests."""
        until = order.index(killer) + 1 if killer in order else len(order)
        for scope in ("", _scope(mutant)):
            self._runs.update((scope, node) for node in order[:until])
            self._kills.update([(scope, killer)])


def _scope(mutant: Mutant) -> str:
    return f"{mutant.target.file} {mutant.scope}"


def _owner(statement: ast.stmt) -> str:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return statement.name
    return (assigned(statement) or [""])[0]


def _owners_at_import(targets: Iterable[Target], probes: Probes, at_import: frozenset[int]) -> set[Key]:
    trees = {target.module: target.tree for target in targets}
    return {
        (module, _owner(trees[module].body[place[0][1] or 0]))
        for (module, place), number in probes.statements.items()
        if number in at_import
    }


def _words(path: Path, seen: frozenset[Path] = frozenset()) -> set[str]:
    """Every word of a test file and of the files beside it that it imports."""
    text = path.read_text()
    words = set(re.findall(r"\w+", text))
    for module in re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE):
        other = path.with_name(f"{module}.py")
        if other.exists() and other not in seen:
            words |= _words(other, seen | {path, other})
    return words
