"""Who uses a constant: its name followed through the imports of the files under test."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mutants.sources import Place, Target, ancestors, assigned, children

Key = tuple[str, str]
"""Module and the name in it."""


class Use(NamedTuple):
    """A place where a name is read."""

    target: Target
    place: Place
    statement: Place
    """The innermost statement around it."""
    in_function: bool


class Names:
    """Every use of every module-level name of the targets."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.uses: dict[Key, list[Use]] = {}
        modules = {target.module for target in targets}
        for target in targets:
            names, aliases = _imports(target, modules)
            for place, node in walk(target.tree):
                key = _resolve(node, target.module, names, aliases)
                if key is not None:
                    self.uses.setdefault(key, []).append(_use(target, place))

    def dependents(self, first: Key, at_import: set[Key]) -> tuple[set[Key], list[Use]]:
        """Every name whose value depends on `first` when the modules are imported, and all uses of these in functions.

        `at_import` are the functions that run during the import: what they use goes into whatever calls them.
        """
        keys, uses, ahead = {first}, [], [first]
        while ahead:
            for use in self.uses.get(ahead.pop(), []):
                more = [(use.target.module, name) for name in _owners(use)]
                if use.in_function:
                    uses.append(use)
                    more = [key for key in more if key in at_import]
                ahead += [key for key in more if key not in keys]
                keys.update(more)
        return keys, uses


def walk(node: ast.AST, place: Place = ()) -> Iterator[tuple[Place, ast.AST]]:
    """All code of a tree with its places."""
    yield place, node
    for step, child in children(node):
        yield from walk(child, (*place, step))


def _imports(target: Target, modules: set[str]) -> tuple[dict[str, Key], dict[str, str]]:
    """(local name -> imported name, local name -> imported module), as far as they are among the targets."""
    names: dict[str, Key] = {}
    aliases: dict[str, str] = {}
    package = target.module.split(".")
    if target.path.name != "__init__.py":
        package.pop()
    for node in ast.walk(target.tree):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                local = alias.asname or alias.name
                if f"{module}.{alias.name}" in modules:
                    aliases[local] = f"{module}.{alias.name}"
                elif module in modules:
                    names[local] = (module, alias.name)
        elif isinstance(node, ast.Import):
            aliases.update({alias.asname: alias.name for alias in node.names if alias.asname and alias.name in modules})
    return names, aliases


def _resolve(node: ast.AST, module: str, names: dict[str, Key], aliases: dict[str, str]) -> Key | None:
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return names.get(name, (module, name))
        case ast.Attribute(value=ast.Name(id=name), attr=attr, ctx=ast.Load()) if name in aliases:
            return aliases[name], attr
    return None


def _use(target: Target, place: Place) -> Use:
    statement: Place = ()
    in_function = False
    for depth, node in ancestors(target.tree, place):
        if isinstance(node, ast.stmt):
            statement = place[:depth]
        if isinstance(node, ast.FunctionDef) and place[depth][0] == "body":
            in_function = True
    return Use(target, place, statement, in_function)


def _owners(use: Use) -> list[str]:
    """The module-level names in whose definition a use stands."""
    node = use.target.tree.body[use.place[0][1] or 0]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return assigned(node)
