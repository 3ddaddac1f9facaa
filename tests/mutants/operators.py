"""What is changed: for each node of a syntax tree the nodes that may stand in its place.

compare    a comparison moves its boundary or is negated
arithmetic another arithmetic, shift or bit operator; a sign or a `~` is dropped
boolean    `and` for `or` and back, one operand dropped, `not` dropped
constant   an integer grows by one, True and False change places
condition  a condition is always true or always false
statement  an assignment, a call, a jump is deleted
return     a plain value is returned instead
row        a table of rows loses one
flag       `a | b | c` loses one

Strings are names for people and stay; so do annotations and decorators. A flag set does not get `&` for `|`: that loses more
than one flag at once, so whatever notices the loss of one notices it too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
DELETED = "(deleted)"


class Change(NamedTuple):
    """`node` stands in the place of the node that was asked about."""

    operator: str
    node: ast.AST
    lost: ast.AST | None = None
    """What is missing now, where that says more than the whole."""


def changes(node: ast.AST, role: str, function: ast.FunctionDef | None) -> Iterator[Change]:
    """Everything that may stand in the place of `node`, which plays a `role` (see role()) in `function`."""
    if role == "condition":
        yield Change("condition", ast.Constant(True))
        yield Change("condition", ast.Constant(False))
    elif role == "return":
        yield from _returned(node, function)
    match node:
        case ast.Compare():
            yield from _compare(node)
        case ast.BinOp():
            yield from _binary(node, in_chain=role == "flag")
        case ast.AugAssign():
            yield Change("arithmetic", ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value))
            yield _deletion(node)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield Change("boolean", operand)
        case ast.UnaryOp(op=ast.USub() | ast.Invert(), operand=operand):
            yield Change("arithmetic", operand)
        case ast.BoolOp():
            yield from _boolean(node)
        case ast.Constant(value=bool(value)):
            yield Change("constant", ast.Constant(not value))
        case ast.Constant(value=int(value)):
            yield Change("constant", ast.Constant(value + 1))
        case ast.Assign() | ast.AnnAssign(value=ast.expr()):
            # Without the only assignment of a local variable the function could only crash.
            if function is not None and not _only_binding(node, function):
                yield _deletion(node)
        case ast.Expr(value=ast.Call()) | ast.Break() | ast.Continue() | ast.Raise() | ast.Return(value=None):
            yield _deletion(node)
        case ast.Tuple() | ast.List() if is_table(node):
            for index, row in enumerate(node.elts):
                yield Change("row", _replaced(node, "elts", _without(node.elts, index)), lost=row)


def role(parent: ast.AST, field: str) -> str:
    """What a child in `field` of `parent` is there for, as far as it matters to changes()."""
    if isinstance(parent, ast.If | ast.While | ast.IfExp) and field == "test":
        return "condition"
    if isinstance(parent, ast.comprehension) and field == "ifs":
        return "condition"
    if isinstance(parent, ast.Return):
        return "return"
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr):
        return "flag"
    return ""


def is_table(node: ast.AST) -> bool:
    """Whether node is a sequence of at least two rows."""
    return (
        isinstance(node, ast.Tuple | ast.List)
        and isinstance(node.ctx, ast.Load)
        and len(node.elts) > 1
        and all(isinstance(row, ast.Tuple | ast.List) for row in node.elts)
    )


def _compare(node: ast.Compare) -> Iterator[Change]:
    for index, op in enumerate(node.ops):
        for other in COMPARE[type(op)]:
            yield Change("compare", _replaced(node, "ops", [*node.ops[:index], other(), *node.ops[index + 1 :]]))


def _binary(node: ast.BinOp, *, in_chain: bool) -> Iterator[Change]:
    if isinstance(node.op, ast.BitOr):
        operands = list(_operands(node))
        if not in_chain:
            for index in range(len(operands)):
                yield Change("flag", _chain(_without(operands, index)))
        if all(_is_flag(operand) for operand in operands):
            return
    if type(node.op) in ARITHMETIC:
        yield Change("arithmetic", _replaced(node, "op", ARITHMETIC[type(node.op)]()))


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _chain(operands: list[ast.expr]) -> ast.expr:
    whole = operands[0]
    for operand in operands[1:]:
        whole = ast.BinOp(whole, ast.BitOr(), operand)
    return whole


def _is_flag(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.isupper()


def _boolean(node: ast.BoolOp) -> Iterator[Change]:
    yield Change("boolean", ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))
    for index in range(len(node.values)):
        rest = _without(node.values, index)
        yield Change("boolean", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _returned(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[Change]:
    declared = ast.unparse(function.returns) if function is not None and function.returns is not None else ""
    values: tuple[bool | int | None, ...] = (None,)
    if declared == "bool" or isinstance(node, ast.Compare):
        values = (False, True)
    elif declared == "int":
        values = (0,)
    for value in values:
        yield Change("return", ast.Constant(value))


def _deletion(node: ast.stmt) -> Change:
    return Change("statement", ast.Pass(), lost=node)


def _only_binding(node: ast.Assign | ast.AnnAssign, function: ast.FunctionDef) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
        return False
    here = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    bound = [arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)]
    bound += [name.id for name in ast.walk(function) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
    return any(bound.count(name) == 1 for name in here)


def _without(nodes: list[ast.expr], index: int) -> list[ast.expr]:
    return [*nodes[:index], *nodes[index + 1 :]]


def _replaced(node: ast.AST, field: str, value: object) -> ast.AST:
    new = type(node)(**{name: getattr(node, name) for name in node._fields if hasattr(node, name)})
    setattr(new, field, value)
    return new
