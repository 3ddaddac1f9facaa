"""The files under test as syntax trees, and every mutant of them with a name that lasts.

A name is: file, function or constant, operator, what stood there -> what stands there now, and #2, #3 ... where that repeats.
It has no line number, so it survives whatever else happens to the file.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from mutants.operators import DELETED, Change, changes, is_table, role

Step = tuple[str, int | None]
Place = tuple[Step, ...]
"""The way from the module to a node: fields, with an index where the field is a list."""

SNIPPET_MAX = 90
NOT_CODE = frozenset({"annotation", "returns", "decorator_list", "ctx", "type_comment", "pattern"})


class Target(NamedTuple):
    """One file under test."""

    file: str
    """Path below the root of the tree."""
    module: str
    path: Path
    tree: ast.Module


class Mutant(NamedTuple):
    """One change in one file."""

    name: str
    target: Target
    scope: str
    """Qualified name of the function, or the name that is assigned to."""
    in_function: bool
    place: Place
    node: ast.AST
    line: int

    def tree(self) -> ast.Module:
        """The whole file with the change."""
        tree = put(self.target.tree, self.place, self.node)
        assert isinstance(tree, ast.Module)
        return tree

    def diff(self) -> str:
        """The change as a unified diff, in the normalised spelling of ast.unparse."""
        depth = _unit_depth(self.target.tree, self.place)
        before, after = (
            ast.unparse(get(tree, self.place[:depth])).splitlines() for tree in (self.target.tree, self.tree())
        )
        where = f"{self.target.file}:{self.line}"
        lines = list(difflib.unified_diff(before, after, where, where, lineterm="", n=1))
        return "\n".join(line if len(line) < 160 else line[:157] + "..." for line in [lines[0], *lines[2:]])


def read(root: Path, file: str, module: str) -> Target:
    """Parse one file."""
    path = root / file
    return Target(file, module, path, ast.parse(path.read_text(), str(path)))


def compiled(tree: ast.Module, path: Path | str) -> CodeType:
    """Compile a tree. What the compiler finds odd about a mutant is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(tree, str(path), "exec", dont_inherit=True)


def get(tree: ast.AST, place: Place) -> ast.AST:
    """The node at a place."""
    for field, index in place:
        tree = getattr(tree, field) if index is None else getattr(tree, field)[index]
    return tree


def put(tree: ast.AST, place: Place, node: ast.AST) -> ast.AST:
    """A copy of the tree with `node` at a place; everything beside the way there is shared with the original."""
    if not place:
        return node
    (field, index), rest = place[0], place[1:]
    copy = type(tree)(**dict(ast.iter_fields(tree)))
    ast.copy_location(copy, tree)
    if index is None:
        setattr(copy, field, put(getattr(tree, field), rest, node))
    else:
        children = list(getattr(tree, field))
        children[index] = put(children[index], rest, node)
        setattr(copy, field, children)
    return copy


def mutants(target: Target) -> list[Mutant]:
    """Every mutant of a file whose code differs from the original and from all others before it."""
    seen: set[tuple[Place, object]] = set()
    found: list[Mutant] = []
    repeated: Counter[str] = Counter()
    originals: dict[Place, object] = {}
    for place, function, change in _walk(target.tree):
        old = get(target.tree, place)
        new = _located(change.node, old)
        unit = place[: _unit_depth(target.tree, place)]
        if unit not in originals:
            originals[unit] = _fingerprint(get(target.tree, unit))
        code = _fingerprint(get(put(target.tree, place, new), unit))
        if code == originals[unit] or (unit, code) in seen:
            continue
        seen.add((unit, code))
        scope = _scope(target.tree, place)
        before, after = _snippets(target.tree, place, change)
        name = f"{target.file} {scope} {change.operator}: {before} -> {after}"
        repeated[name] += 1
        if repeated[name] > 1:
            name += f" #{repeated[name]}"
        line = getattr(change.lost or old, "lineno", 0)
        found.append(Mutant(name, target, scope, function is not None, place, new, line))
    return found


def children(node: ast.AST) -> Iterator[tuple[Step, ast.AST]]:
    """The children that are code."""
    for field, value in ast.iter_fields(node):
        if field in NOT_CODE or (isinstance(node, ast.JoinedStr) and field == "values"):
            continue
        if isinstance(value, ast.AST):
            yield (field, None), value
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield (field, index), child


def _walk(
    node: ast.AST, place: Place = (), part: str = "", function: ast.FunctionDef | None = None
) -> Iterator[tuple[Place, ast.FunctionDef | None, Change]]:
    for change in changes(node, part, function):
        yield place, function, change
    for step, child in children(node):
        inner = node if isinstance(node, ast.FunctionDef) and step[0] == "body" else function
        yield from _walk(child, (*place, step), role(node, step[0]), inner)


def _located(node: ast.AST, old: ast.AST) -> ast.AST:
    anchor = old if hasattr(old, "lineno") else None
    for part in ast.walk(node):
        if not hasattr(part, "lineno") and "lineno" in part._attributes and anchor is not None:
            ast.copy_location(part, anchor)
    return node


def ancestors(tree: ast.AST, place: Place) -> Iterator[tuple[int, ast.AST]]:
    """(depth, node) of everything on the way to a place, the node there included."""
    for depth in range(len(place) + 1):
        yield depth, tree
        if depth < len(place):
            tree = get(tree, place[depth : depth + 1])


def _unit_depth(tree: ast.AST, place: Place) -> int:
    """How deep the outermost function around a place lies, or else the innermost statement."""
    depth = 0
    for here, node in ancestors(tree, place):
        if isinstance(node, ast.stmt):
            depth = here
        if isinstance(node, ast.FunctionDef):
            break
    return depth


def _scope(tree: ast.AST, place: Place) -> str:
    """Qualified name of the outermost function around a place, or the name of a constant, with the index in a flat sequence."""
    names = []
    for depth, node in ancestors(tree, place):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
            if isinstance(node, ast.FunctionDef):
                break
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names += assigned(node)[:1]
            value = node.value
            if isinstance(value, ast.Tuple | ast.List) and not is_table(value) and len(place) > depth + 1:
                names[-1:] = [f"{names[-1]}[{place[depth + 1][1]}]"] if names else []
            break
    return ".".join(names) or "(module)"


def assigned(node: ast.stmt) -> list[str]:
    """The plain names that a statement assigns to."""
    targets: Sequence[ast.expr] = ()
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    return [
        name.id
        for target in targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    ]


def _fingerprint(node: ast.AST) -> object:
    assert isinstance(node, ast.stmt)
    return _code_key(compiled(ast.Module([node], []), "unit"))


def _code_key(code: CodeType) -> object:
    constants = tuple(
        _code_key(constant) if isinstance(constant, CodeType) else (type(constant).__name__, repr(constant))
        for constant in code.co_consts
    )
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code, constants, names, code.co_exceptiontable, code.co_flags


def _snippets(tree: ast.Module, place: Place, change: Change) -> tuple[str, str]:
    """Before and after: of the statement, of the row of a table, or of less where that is too long to read."""
    if change.lost is not None:
        lost = _text(change.lost) or ""
        return (lost if len(lost) <= 2 * SNIPPET_MAX else lost[: 2 * SNIPPET_MAX - 3] + "..."), DELETED
    changed = put(tree, place, change.node)
    first = 0
    for depth, node in ancestors(tree, place):
        if isinstance(node, ast.stmt) or (depth > 0 and is_table(get(tree, place[: depth - 1]))):
            first = depth
    for depth in range(first, len(place) + 1):
        before, after = (_text(get(whole, place[:depth])) for whole in (tree, changed))
        if before and after and max(len(before), len(after)) <= SNIPPET_MAX and before != after:
            return before, after
    return _text(get(tree, place)) or "?", _text(get(changed, place)) or "?"


def _text(node: ast.AST) -> str | None:
    match node:
        case ast.If():
            return "if " + ast.unparse(node.test)
        case ast.While():
            return "while " + ast.unparse(node.test)
        case ast.For():
            return f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
        case ast.FunctionDef() | ast.ClassDef() | ast.With() | ast.Try():
            return None
        case ast.stmt() | ast.expr() | ast.arguments():
            return " ".join(ast.unparse(node).split())
    return None
