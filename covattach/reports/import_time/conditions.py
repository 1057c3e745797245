"""Conditions of a module's top level that the source alone decides, for a target on Linux.

Conditions(load, scope).outcome(test) -> True, False, or None where only the target knew
Conditions(load, scope).turns(loop)   whether a loop's body is entered at least once
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from covattach.reports.import_time.name_bindings import Scope
from covattach.snapshot.imported_modules import ImportedModule

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
EXITS = {"sys.exit", "os._exit", "os.abort", "exit", "quit"}
CHECKING = {"typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"}


class Conditions:
    """The conditions in a module's top level, or in a class body, for one import of it, `load`.

    `scope` has the bindings of its names.  It is None in class bodies, where names may be those of
    a metaclass.
    """

    def __init__(self, load: ImportedModule, scope: Scope | None) -> None:
        self.load = load
        self.scope = scope

    def outcome(self, test: ast.expr) -> bool | None:
        """Return the truth value of `test` at the import; None if the source does not tell."""
        if isinstance(test, ast.Constant):
            return bool(test.value)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.outcome(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            return of_several([self.outcome(part) for part in test.values], test.op)
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self.compared(test.left, test.ops[0], test.comparators[0])
        if isinstance(test, ast.Call):
            return self.starts_with(test)
        if isinstance(test, ast.Name) and test.id == "__debug__":  # nothing can assign to it
            return None if self.load.optimize is None else not self.load.optimize
        if self.meaning(test) in CHECKING or self.is_false(test):
            return False
        return None

    def meaning(self, node: ast.expr) -> str:
        """Return the full dotted name of an expression, such as "sys.platform"; "" if unknown."""
        name = dotted(node)
        head, point, rest = name.partition(".")
        if self.scope is None or not name:
            return ""
        if head == "__name__":  # `load.main` has its value
            return name if self.scope.is_never_bound(head) else ""
        origin = self.scope.origin(head)
        is_changed = self.scope.unsure.intersection(rest.split("."))
        return f"{origin}{point}{rest}" if origin and not is_changed else ""

    def is_false(self, test: ast.expr) -> bool:
        """Tell whether a test is a name that was set to False, as in `TYPE_CHECKING = False`.

        If the name is another one, no code of other modules may run between the assignment and the
        test: it could set the name.
        """
        if self.scope is None or self.scope.is_open or not isinstance(test, ast.Name):
            return False
        return any(
            isinstance(site, ast.Assign)
            and (test.id == "TYPE_CHECKING" or self.scope.foreign.is_kept(site, test))
            and isinstance(site.targets[0], ast.Name)
            and isinstance(site.value, ast.Constant)
            and site.value.value is False
            for site in self.scope.sole(test.id)
        )

    def compared(self, left: ast.expr, how: ast.cmpop, right: ast.expr) -> bool | None:
        """Return the outcome of comparing a fact about the target with a literal; None if unknown.

        `how` is the operator.  The literal may be on either side.
        """
        if type(how) not in COMPARE:
            return None
        if literal(left) is not None:
            left, how, right = right, TURNED[type(how)](), left
        fact, other = self.known(left), literal(right)
        if fact is None or type(fact) is not type(other):
            return None
        if dotted(left) == "__name__" and other != "__main__":
            return None
        if fact == (*(self.load.python or ()), None) and len(other) > 2:
            return None
        try:
            return COMPARE[type(how)](fact, other)
        except TypeError:
            return None

    def known(self, node: ast.expr) -> Any:
        """Return the value of an expression in the target; None if the source does not tell."""
        name = self.meaning(node)
        if name == "__name__" and self.load.main is not None:
            return "__main__" if self.load.main else "a module"
        python = self.load.python
        if python is None:
            return KNOWN.get(name)
        if name == "sys.version_info":
            # The micro version is unknown: None stands for it, so that (3, 12) is less than this.
            return (*python, None)
        if name in ("sys.version_info.major", "sys.version_info.minor"):
            return python[name.endswith("minor")]
        if isinstance(node, ast.Subscript) and self.meaning(node.value) == "sys.version_info":
            if ast.unparse(node.slice) == ":2":
                return python
            return {0: python[0], 1: python[1]}.get(literal(node.slice))
        return KNOWN.get(name)

    def starts_with(self, test: ast.Call) -> bool | None:
        """Return the outcome of `sys.platform.startswith("…")`; None for any other call."""
        if self.meaning(test.func) == "sys.platform.startswith" and len(test.args) == 1:
            prefix = literal(test.args[0])
            return "linux".startswith(prefix) if isinstance(prefix, str) else None
        return None

    def turns(self, loop: ast.For | ast.AsyncFor | ast.While) -> bool:
        """Tell whether the body of a loop is surely entered at least once."""
        if isinstance(loop, ast.While):
            return self.outcome(loop.test) is True
        if isinstance(loop.iter, ast.Call):
            given = [literal(argument) for argument in loop.iter.args]
            is_number = len(given) == 1 and type(given[0]) is int and given[0] > 0
            is_range = dotted(loop.iter.func) == "range" and not loop.iter.keywords
            return is_range and is_number and bool(self.scope and self.scope.is_free("range"))
        several = isinstance(loop.iter, ast.Tuple | ast.List | ast.Set) and loop.iter.elts
        return any(not isinstance(one, ast.Starred) for one in several or ())

    def is_code(self, statement: ast.stmt) -> bool:
        """Tell whether the compiler surely made code of a statement's first line."""
        python = self.load.python or (3, 9)
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            return python < (3, 14) and bool(statement.simple)  # PEP 649: evaluated when asked
        if isinstance(statement, ast.Assert):
            tested = statement.test
            return self.load.optimize == 0 and not isinstance(tested, ast.Constant | ast.Tuple)
        if isinstance(statement, ast.Global | ast.Nonlocal):
            return False
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.BinOp):
            return not is_constant(statement)  # not even 3.14 has an event for each folded one
        # PEP 626: since 3.10 every line is seen, also those that do nothing.
        return python >= (3, 10) or not is_constant(statement)


def is_constant(statement: ast.stmt) -> bool:
    """Tell whether the compiler may leave out a statement, or a test in its first line."""
    if isinstance(statement, ast.Pass | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.Expr):
        tested = statement.value
    elif isinstance(statement, ast.If | ast.While):
        tested = statement.test
    else:
        return False
    does = (ast.Name, ast.Call, ast.Attribute, ast.Await)
    # What is left may be folded into a constant, `not __debug__` and `60 * 60` too.
    return not any(
        isinstance(node, does) and dotted(node) != "__debug__" for node in ast.walk(tested)
    )


def of_several(parts: list[bool | None], joined: ast.boolop) -> bool | None:
    """Return the outcome of `parts` joined by `and` or by `or`; None stands for unknown."""
    if isinstance(joined, ast.Or):
        inner = of_several([None if part is None else not part for part in parts], ast.And())
        return None if inner is None else not inner
    return False if False in parts else None if None in parts else True


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


def always_leaves(block: list[ast.stmt]) -> bool:
    """Tell whether control never comes to the end of a block of statements."""
    return any(leaves(statement) for statement in block)


def may_exit(statement: ast.stmt) -> bool:
    """Tell whether a statement is, by its name, a call such as `sys.exit()`.

    The name may have been replaced, so that control goes on.
    """
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return dotted(statement.value.func) in EXITS
    return False


def leaves(statement: ast.stmt) -> bool:
    """Tell whether control never comes to the statement after this one."""
    if isinstance(statement, ast.Raise | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.If):
        return always_leaves(statement.body) and always_leaves(statement.orelse)
    return False
