"""What a test does to the code under test, asked in one run.

Two things are noted. Which statements are reached. And which of some mutants make a difference: where the changed expression
has no calls, it is evaluated beside the original one, and as long as both give the same value the mutant does nothing. A test
in which a mutant never makes a difference cannot kill it and need not be run against it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mutants.names import Names, walk
from mutants.sources import Mutant, Place, Target, ancestors, assigned, get, put

OPAQUE = (
    ast.Call,
    ast.Await,
    ast.Yield,
    ast.YieldFrom,
    ast.NamedExpr,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.JoinedStr,
)
"""Evaluated twice, these may do something, or need a scope of their own."""

PATIENCE = 1_000_000
"""So often an expression is watched in one test in vain; then its mutants count as making a difference."""


Thunk = Callable[[], object]


class Region(NamedTuple):
    """An expression that is watched, with what the mutants would have in its place."""

    number: int
    is_condition: bool
    instead: list[tuple[int, ast.expr]]


class Probes:
    """Statements and watched expressions of all targets, numbered."""

    def __init__(self, targets: Iterable[Target], mutants: Mapping[int, Mutant], names: Names) -> None:
        self.statements: dict[tuple[str, Place], int] = {}
        self.regions: dict[tuple[str, Place], Region] = {}
        self.mutants = max(mutants, default=-1) + 1
        self.watched: set[int] = set()
        """Those of the mutants whose difference is seen wherever they make one."""
        for target in targets:
            for place, node in walk(target.tree):
                if isinstance(node, ast.stmt) and in_function(target.tree, place):
                    self.statements[target.module, place] = len(self.statements)
        for number, mutant in mutants.items():
            sites = _sites(mutant, names)
            watched = [self._watch(number, *site) for site in sites]
            if sites and all(watched):
                self.watched.add(number)

    def _watch(self, number: int, target: Target, place: Place, node: ast.AST) -> bool:
        region = _region(target.tree, place)
        if region is None:
            return False
        instead = put(get(target.tree, region), place[len(region) :], node)
        assert isinstance(instead, ast.expr)
        parent = get(target.tree, region[:-1])
        is_condition = isinstance(parent, ast.If | ast.While | ast.IfExp) and region[-1][0] == "test"
        empty = Region(len(self.regions), is_condition, [])
        self.regions.setdefault((target.module, region), empty).instead.append((number, instead))
        return True

    def instrumented(self, target: Target) -> ast.Module:
        """The target with a note at every statement and a probe at every region."""
        tree = self._build(target, target.tree, ())
        assert isinstance(tree, ast.Module)
        return ast.fix_missing_locations(tree)

    def _build(self, target: Target, node: ast.AST, place: Place) -> ast.AST:
        region = self.regions.get((target.module, place))
        if region is not None:
            return _probe(region, node)
        fields: dict[str, object] = {}
        for field, value in ast.iter_fields(node):
            here = (*place, (field, None))
            if isinstance(value, ast.AST):
                fields[field] = self._build(target, value, here)
            else:
                fields[field] = self._build_list(target, value, here) if isinstance(value, list) else value
        return ast.copy_location(type(node)(**fields), node)

    def _build_list(self, target: Target, nodes: list[object], place: Place) -> list[object]:
        built: list[object] = []
        for index, node in enumerate(nodes):
            here = (*place[:-1], (place[-1][0], index))
            number = self.statements.get((target.module, here))
            if number is not None and not (index == 0 and is_docstring(node)):
                built += ast.parse(f"__reached__[{number}] = 1").body
            built.append(self._build(target, node, here) if isinstance(node, ast.AST) else node)
        return built


def _probe(region: Region, node: ast.AST) -> ast.AST:
    probe = "__probe_condition__" if region.is_condition else "__probe__"
    whole = ast.parse(
        f"X if __settled__[{region.number}] else {probe}({region.number}, lambda: X, ())", mode="eval"
    ).body
    no_arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    instead: list[ast.expr] = [
        ast.Tuple([ast.Constant(mutant), ast.Lambda(no_arguments, other)], ast.Load())
        for mutant, other in region.instead
    ]
    assert isinstance(whole, ast.IfExp)
    assert isinstance(whole.orelse, ast.Call)
    assert isinstance(node, ast.expr)
    whole.body = node
    whole.orelse.args[1] = ast.Lambda(no_arguments, node)
    whole.orelse.args[2] = ast.Tuple(instead, ast.Load())
    return whole


def in_function(tree: ast.AST, place: Place) -> bool:
    """Whether a place lies in the body of a function, not only in its head."""
    return any(
        isinstance(node, ast.FunctionDef) and depth < len(place) and place[depth][0] == "body"
        for depth, node in ancestors(tree, place)
    )


def is_docstring(node: object) -> bool:
    """Whether a statement is a plain string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _sites(mutant: Mutant, names: Names) -> list[tuple[Target, Place, ast.AST]]:
    """Everywhere a mutant shows: where it is, and for a plain integer constant all its uses. Nothing where that is unknown."""
    target, place = mutant.target, mutant.place
    if in_function(target.tree, place):
        return [_as_expression(target, place, mutant.node)]
    statement = target.tree.body[place[0][1] or 0]
    owners = assigned(statement)
    if not isinstance(statement, ast.Assign) or len(owners) != 1:
        return []
    uses = names.uses.get((target.module, owners[0]), [])
    value = _constant(mutant.tree().body[place[0][1] or 0])
    if value is None or not uses or not all(use.in_function for use in uses):
        return []
    return [(use.target, use.place, ast.Constant(value)) for use in uses]


def _as_expression(target: Target, place: Place, node: ast.AST) -> tuple[Target, Place, ast.AST]:
    """A deleted `x = value` seen as `x = x`; any other change as it is."""
    old = get(target.tree, place)
    if not isinstance(node, ast.Pass) or not isinstance(old, ast.Assign | ast.AnnAssign) or old.value is None:
        return target, place, node
    goal = old.target if isinstance(old, ast.AnnAssign) else old.targets[0]
    if isinstance(old, ast.Assign) and len(old.targets) > 1:
        return target, place, node
    if (
        not isinstance(goal, ast.Name | ast.Attribute | ast.Subscript)
        or not _is_plain(goal)
        or not _is_plain(old.value)
    ):
        return target, place, node
    same = ast.parse(ast.unparse(goal), mode="eval").body
    return target, (*place, ("value", None)), same


def _constant(statement: ast.stmt) -> int | None:
    """The value of `NAME = integer expression`."""
    assert isinstance(statement, ast.Assign)
    if any(isinstance(node, (ast.Name, ast.Attribute, *OPAQUE)) for node in ast.walk(statement.value)):
        return None
    try:
        value = eval(ast.unparse(statement.value), {"__builtins__": {}})
    except Exception:
        return None
    return value if isinstance(value, int) else None


def _is_plain(node: ast.AST) -> bool:
    return not any(isinstance(part, OPAQUE) for part in ast.walk(node))


def _region(tree: ast.AST, place: Place) -> Place | None:
    """The largest plain expression around the expression at a place."""
    for depth, node in ancestors(tree, place):
        if (
            isinstance(node, ast.expr)
            and not isinstance(node, ast.Slice | ast.Starred)
            and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
            and _is_plain(node)
        ):
            return place[:depth]
    return None


class Notes:
    """What has been seen so far in this process."""

    def __init__(self, probes: Probes) -> None:
        self.reached = bytearray(len(probes.statements))
        self.differs = bytearray(probes.mutants)
        self.settled = bytearray(len(probes.regions))
        self._patience = [PATIENCE] * len(probes.regions)

    def install(self) -> None:
        """Put the names where instrumented code finds them, and nothing else that looks through a module."""
        vars(builtins).update(
            __reached__=self.reached,
            __settled__=self.settled,
            __probe__=self._value,
            __probe_condition__=self._condition,
        )

    def clear(self) -> None:
        """Forget everything."""
        for flags in (self.reached, self.differs, self.settled):
            flags[:] = bytes(len(flags))
        self._patience = [PATIENCE] * len(self._patience)

    def _value(self, region: int, original: Thunk, instead: tuple[tuple[int, Thunk], ...]) -> object:
        return self._compare(region, original, instead, _is_same)

    def _condition(self, region: int, original: Thunk, instead: tuple[tuple[int, Thunk], ...]) -> object:
        return self._compare(region, original, instead, _is_as_true)

    def _compare(
        self,
        region: int,
        original: Thunk,
        instead: tuple[tuple[int, Thunk], ...],
        alike: Callable[[object, object], bool],
    ) -> object:
        self._patience[region] -= 1
        try:
            value = original()
        except Exception:
            self._settle(region, instead)
            raise
        if not self._patience[region]:
            self._settle(region, instead)
            return value
        settled = 1
        for mutant, other in instead:
            if self.differs[mutant]:
                continue
            try:
                differs = not alike(value, other())
            except Exception:
                differs = True
            self.differs[mutant] = differs
            settled &= differs
        self.settled[region] = settled
        return value

    def _settle(self, region: int, instead: tuple[tuple[int, Thunk], ...]) -> None:
        for mutant, _ in instead:
            self.differs[mutant] = 1
        self.settled[region] = 1


def _is_same(value: object, other: object) -> bool:
    return type(other) is type(value) and other == value


def _is_as_true(value: object, other: object) -> bool:
    return bool(other) is bool(value)
