"""Code of other modules that runs during the import of one, and may set names in it.

    ForeignCode(scope).is_quiet(statement)      whether a statement runs none
    ForeignCode(scope).can_set(site, …)         whether it may set a name between two lines
    ForeignCode(scope).is_kept(site, test)      whether none runs between a binding and an `if`

Builtins and the standard library do not know the module, so they do not count.  Operators are not
looked at.
"""

from __future__ import annotations

import ast
import builtins
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Protocol

from covattach.reports.import_time.blocks import Definition, Function

Scoped = Function | ast.Lambda | ast.ClassDef
# Builtins and modules of Python's own that run or import code they are given.
TOLD = {"__import__", "exec", "eval", "importlib", "runpy", "pkgutil", "__main__"}


class Names(Protocol):
    """The names of a module's top level, as name_bindings.py knows them."""

    tree: ast.Module

    def is_free(self, name: str) -> bool:
        """Tell whether nothing in this module binds `name`, so that it is a builtin."""

    def origin(self, name: str) -> str:
        """Return the dotted name that `name` was imported as ("sys.platform"); "" if unknown."""


class ForeignCode:
    """The statements of one module's top level that can run code of other modules.

    `busy` are the first lines of these.  `clean` has the ids of statements in branches of an `if`
    whose test, and whose other branch, run no such code.  If the `if` has run some, the branch of
    such a statement was taken.
    """

    def __init__(self, scope: Names) -> None:
        self.scope = scope
        self.tree = scope.tree
        self.starts = [one.lineno for one in self.tree.body]
        self.known: dict[int, bool] = {}  # by the ids of `if` statements: whether they are quiet
        branchings = [one for one in self.tree.body if isinstance(one, ast.If)]
        for one in branchings:  # the list grows meanwhile
            branchings += (inner for branch in branches(one) for inner in chained(branch))
        for one in reversed(branchings):
            self.known[id(one)] = self.is_quiet(one)
        self.busy = [one.lineno for one in self.tree.body if not self.is_quiet(one)]
        self.clean: set[int] = set()
        unclean: set[int] = set()
        for one in branchings:
            is_clean = id(one) not in unclean and self.is_quiet(one.test)
            for branch, other in (branches(one), branches(one)[::-1]):
                if is_clean and all(self.is_quiet(inner) for inner in other):
                    self.clean.update(map(id, branch))
                else:
                    unclean.update(map(id, branch))

    def can_set(self, site: ast.stmt, above: int, below: float) -> bool:
        """Tell whether a name can have been set between two lines by other code than its `site`.

        `site` is the statement that binds the name; `above` and `below` are the lines.
        """
        busy = bisect_right(self.busy, below) - bisect_right(self.busy, above)
        block = self.starts[bisect_right(self.starts, site.lineno) - 1]
        is_alone = bisect_right(self.starts, above) - bisect_left(self.starts, above) < 2
        return not is_alone or busy > (id(site) in self.clean and block in self.busy)

    def is_kept(self, site: ast.stmt, test: ast.expr) -> bool:
        """Tell whether a name bound by `site` has the same value at `test`, in a top-level `if`."""
        last = self.tree.body[bisect_right(self.starts, test.lineno) - 1]
        return (
            site in self.tree.body
            and site.lineno < last.lineno
            and isinstance(last, ast.If)
            and not any(isinstance(node, ast.Call | ast.Attribute) for node in ast.walk(last.test))
            and test in ast.walk(last.test)
            and bisect_left(self.busy, site.lineno) == bisect_left(self.busy, last.lineno)
        )

    def is_quiet(self, statement: ast.AST) -> bool:
        """Tell whether a statement, or an expression, runs no code of other modules."""
        waiting = [statement]
        while waiting:
            node = waiting.pop()
            if not self.known.get(id(node), True) or not self.is_quiet_itself(node):
                return False
            if id(node) in self.known:
                continue
            waiting += outside(node)
            waiting += inside(node) if isinstance(node, ast.ClassDef) else []
        return True

    def is_quiet_itself(self, node: ast.AST) -> bool:
        """Tell whether a node runs no code of other modules, apart from its child nodes."""
        if isinstance(node, ast.Import):
            return all(is_standard(one.name) for one in node.names)
        if isinstance(node, ast.ImportFrom):
            return not node.level and is_standard(node.module or "")
        if isinstance(node, Definition):
            called = [*node.decorator_list]
            if isinstance(node, ast.ClassDef):
                called += [*node.bases, *(one.value for one in node.keywords)]
            return all(self.is_standard(one) for one in called)
        if isinstance(node, ast.Call):
            return self.is_standard(node.func)
        if isinstance(node, ast.Attribute):
            return self.is_standard(node)
        return not isinstance(node, ast.Await | ast.Yield | ast.YieldFrom)

    def is_standard(self, node: ast.expr) -> bool:
        """Tell whether the first name in `node`, a called object or an attribute, is Python's own.

        That is a builtin or a name imported from the standard library; a literal counts, too.
        """
        while isinstance(node, ast.Attribute | ast.Call):
            node = node.value if isinstance(node, ast.Attribute) else node.func
        if not isinstance(node, ast.Name):
            return isinstance(node, ast.Constant | ast.JoinedStr)
        if self.scope.is_free(node.id):
            return hasattr(builtins, node.id) and node.id not in TOLD
        return is_standard(self.scope.origin(node.id))


def branches(statement: ast.If) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Return the two blocks of an `if`."""
    return statement.body, statement.orelse


def chained(branch: list[ast.stmt]) -> list[ast.If]:
    """Return, as a list, the `if` that is all of a branch, such as an `elif`; [] for others."""
    return [one for one in branch if isinstance(one, ast.If)] if len(branch) == 1 else []


def is_standard(name: str) -> bool:
    """Tell whether a module is of the standard library, and not one that runs code it is given."""
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names and top not in TOLD


def outside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the child nodes of a node that are evaluated in the enclosing scope."""
    if not isinstance(node, Scoped):
        yield from ast.iter_child_nodes(node)
        return
    for field, value in ast.iter_fields(node):
        if field != "body":
            yield from (one for one in listed(value) if isinstance(one, ast.AST))


def inside(node: ast.AST) -> list[ast.AST]:
    """Return the nodes in the body of a function, lambda or class, a scope of its own.

    [] for other nodes.
    """
    return listed(node.body) if isinstance(node, Scoped) else []


def listed(value: object) -> list[ast.AST]:
    """Return the nodes in a field of a node, as a list."""
    return value if isinstance(value, list) else [value] if isinstance(value, ast.AST) else []
