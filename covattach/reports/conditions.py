"""Conditions of a module's top level that the source alone decides, for a target on Linux.

outcome(test, load) -> True, False, or None where only the target knew
turns(loop, load)         whether a loop's body is entered at least once
always_leaves(block)      whether control never comes to the end of a block of statements
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from covattach.reports.loads import Load

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
KNOWN = {"sys.platform": "linux", "os.name": "posix", "sys.implementation.name": "cpython"}
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.Eq,
    ast.NotEq: ast.NotEq,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
EXITS = {"sys.exit", "os._exit", "os.abort"}


def outcome(test: ast.expr, load: Load) -> bool | None:
    """Return what a test was when `load` was made; None if the source does not say."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = outcome(test.operand, load)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        return of_several([outcome(part, load) for part in test.values], test.op)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return compared(test.left, test.ops[0], test.comparators[0], load)
    if isinstance(test, ast.Call):
        return starts_with(test)
    if isinstance(test, ast.Constant):
        return bool(test.value)
    return False if dotted(test).removeprefix("typing.") == "TYPE_CHECKING" else None


def of_several(parts: list[bool | None], joined: ast.boolop) -> bool | None:
    """Return what several outcomes are, joined by `and` or by `or`."""
    if isinstance(joined, ast.Or):
        inner = of_several([None if part is None else not part for part in parts], ast.And())
        return None if inner is None else not inner
    return False if False in parts else None if None in parts else True


def compared(left: ast.expr, how: ast.cmpop, right: ast.expr, load: Load) -> bool | None:
    """Return the outcome of a comparison of a fact about the target with a literal."""
    if type(how) not in COMPARE:
        return None
    if literal(left) is not None:
        left, how, right = right, TURNED[type(how)](), left
    fact, other = known(left, load), literal(right)
    if fact is None or type(fact) is not type(other):
        return None
    if dotted(left) == "__name__" and other != "__main__":
        return None
    if dotted(left) == "sys.version_info" and len(other) > 2:
        return None
    try:
        return COMPARE[type(how)](fact, other)
    except TypeError:
        return None


def known(node: ast.expr, load: Load) -> Any:
    """Return what an expression was in the target; None if the source does not say."""
    name = dotted(node)
    if name == "__name__" and load.main is not None:
        return "__main__" if load.main else "a module"
    if load.python is None:
        return KNOWN.get(name)
    if name == "sys.version_info":
        # What follows is not known; but it makes this longer than the tuples it is compared with.
        return (*load.python, None)
    if name in ("sys.version_info.major", "sys.version_info.minor"):
        return load.python[name.endswith("minor")]
    if isinstance(node, ast.Subscript) and dotted(node.value) == "sys.version_info":
        if ast.unparse(node.slice) == ":2":
            return load.python
        return {0: load.python[0], 1: load.python[1]}.get(literal(node.slice))
    return KNOWN.get(name)


def starts_with(test: ast.Call) -> bool | None:
    """Return the outcome of `sys.platform.startswith("…")`."""
    if dotted(test.func) == "sys.platform.startswith" and len(test.args) == 1:
        prefix = literal(test.args[0])
        return "linux".startswith(prefix) if isinstance(prefix, str) else None
    return None


def literal(node: ast.expr) -> Any:
    """Return the value of a literal; None for anything else."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def dotted(node: ast.expr) -> str:
    """Return a name with dots as it is written; "" for any other expression."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def is_code(statement: ast.stmt, load: Load) -> bool:
    """Tell whether the compiler made code of a statement, or of its first line."""
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return load.python is not None and load.python < (3, 14)  # PEP 649: evaluated when asked
    is_constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.If):
        is_constant = (
            isinstance(statement.test, ast.Constant) or dotted(statement.test) == "__debug__"
        )
    # PEP 626: since 3.10 every line is seen, also those that do nothing.
    return not is_constant or (load.python is not None and load.python >= (3, 10))


def turns(loop: ast.For | ast.AsyncFor | ast.While, load: Load) -> bool:
    """Tell whether the body of a loop is entered at least once."""
    if isinstance(loop, ast.While):
        return outcome(loop.test, load) is True
    if isinstance(loop.iter, ast.Call):
        given = [literal(argument) for argument in loop.iter.args]
        is_number = len(given) == 1 and type(given[0]) is int and given[0] > 0
        return dotted(loop.iter.func) == "range" and is_number
    several = isinstance(loop.iter, ast.Tuple | ast.List | ast.Set) and loop.iter.elts
    return any(not isinstance(one, ast.Starred) for one in several or ())


def always_leaves(block: list[ast.stmt]) -> bool:
    """Tell whether a block of statements, once begun, never comes to its end."""
    return any(leaves(statement) for statement in block)


def leaves(statement: ast.stmt) -> bool:
    """Tell whether control never comes to what follows a statement."""
    if isinstance(statement, ast.Raise | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return dotted(statement.value.func) in EXITS
    if isinstance(statement, ast.If):
        return always_leaves(statement.body) and always_leaves(statement.orelse)
    return False
