"""The safety kernel with a check at every whole number that it computes: on the target it must be less than 2**30 in magnitude.

    python int_range.py TICKS SEED START_MS [KERNEL_FOLDER]

runs kernel_script.py with everything at the ends of its range against a kernel whose source has been changed in memory: the result
of every operation, call and augmented assignment in a function passes through check(). Prints the script's line; OutOfRangeError,
with file and line of the kernel, ends it. A process of its own, because the changed kernel goes by its real name.

Module level is left alone: it runs once, at import, where a large integer costs nothing. But a large integer that stays there under
a name that a function uses is found as well.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

LIMIT = 1 << 30
PACKAGE = "pilotwire.firmware.kernel"
CHECK = "_check_range"


class OutOfRangeError(Exception):
    """A number that the target cannot hold as a small integer."""


def check(value: Any, where: str) -> Any:
    """Pass `value` on."""
    if value.__class__ is int and not -LIMIT < value < LIMIT:  # a bool is no number here
        raise OutOfRangeError(f"{where}: {value}")
    return value


class _Instrument(ast.NodeTransformer):
    """Works inside functions only; `names` are those that functions use."""

    def __init__(self, filename: str) -> None:
        self.names: set[str] = set()
        self._filename = filename
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self._depth:
            check(node.value, self._where(node))
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self._depth:
            self.names.add(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if self._depth:
            self.names.add(node.attr)
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self._checked(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        return self._checked(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._checked(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        # The target is read again afterwards, so that nothing but the check is added.
        self.generic_visit(node)
        if not self._depth:
            return node
        target = ast.parse(ast.unparse(node.target), mode="eval").body
        return [node, ast.fix_missing_locations(ast.copy_location(ast.Expr(self._call(target, node)), node))]

    def _checked(self, node: ast.expr) -> ast.AST:
        self.generic_visit(node)
        return self._call(node, node) if self._depth else node

    def _call(self, value: ast.expr, at: ast.AST) -> ast.expr:
        call = ast.Call(ast.Name(CHECK, ast.Load()), [value, ast.Constant(self._where(at))], [])
        return ast.fix_missing_locations(ast.copy_location(call, at))

    def _where(self, node: ast.AST) -> str:
        return f"{self._filename}:{getattr(node, 'lineno', 0)}"


def instrument(source: str, filename: str) -> tuple[CodeType, set[str]]:
    """Source to checked code, and the names that its functions use."""
    instrumenter = _Instrument(filename)
    tree = instrumenter.visit(ast.parse(source, filename))
    return compile(tree, filename, "exec", dont_inherit=True), instrumenter.names


def large_values(module: ModuleType) -> Iterator[tuple[str, int]]:
    """Every (name, integer too large) at a module's top level, also inside of its tables."""
    pending = [(name, value) for name, value in vars(module).items() if not name.startswith("__")]
    while pending:
        name, value = pending.pop()
        if isinstance(value, tuple | list):
            pending += [(name, item) for item in value]
        elif value.__class__ is int and not -LIMIT < value < LIMIT:
            yield name, value


class Loader(importlib.abc.Loader):
    """Loads the kernel's modules from a folder, instrumented. Collects what a table or constant must not be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()
        self.modules: list[ModuleType] = []

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """For sys.meta_path."""
        if name == PACKAGE:
            file = self.folder / "__init__.py"
            return importlib.util.spec_from_file_location(
                name, file, loader=self, submodule_search_locations=[str(self.folder)]
            )
        if name.startswith(PACKAGE + "."):
            file = self.folder / (name.removeprefix(PACKAGE + ".") + ".py")
            return importlib.util.spec_from_file_location(name, file, loader=self) if file.exists() else None
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """An ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        assert module.__file__ is not None
        code, names = instrument(Path(module.__file__).read_text(), module.__file__)
        self.names |= names
        self.modules.append(module)
        setattr(module, CHECK, check)
        exec(code, vars(module))

    def check_constants(self) -> None:
        """No constant that a function uses is too large. After everything has been imported."""
        for module in self.modules:
            for name, value in large_values(module):
                if name in self.names:
                    raise OutOfRangeError(f"{module.__file__}: {name}: {value}")


def run(ticks: int, seed: int, start_ms: int, folder: Path) -> str:
    """The script's line with the kernel in `folder`. Call only where nothing of the kernel has been imported."""
    assert not [name for name in sys.modules if name.startswith(PACKAGE)], "the kernel has been imported already"
    loader = Loader(folder)
    sys.meta_path.insert(0, loader)  # type: ignore[arg-type]  # it has what a finder needs
    script = importlib.import_module("kernel_script")
    loader.check_constants()
    line: str = script.run(ticks, seed, start_ms, extreme=True)
    return line


if __name__ == "__main__":
    _here = Path(__file__).resolve().parent.parent / "firmware" / "kernel"
    print(run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]) if len(sys.argv) > 4 else _here))
