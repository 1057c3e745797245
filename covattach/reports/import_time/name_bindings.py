"""The names of a module's top level: where each is bound, and which statements that proves.

    Scope(tree).proven(load)      the first lines of statements that have run
    Scope(tree).origin(name)      the dotted name that a name was imported as

A name in the namespace proves that the statement which binds it has run, if nothing else can have
bound it: no other statement, no function that declares it global, no star import, no `globals()`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from covattach.reports.import_time.blocks import Definition, first_line, functions
from covattach.reports.import_time.foreign_code import ForeignCode, inside, outside
from covattach.snapshot.imported_modules import ImportedModule

# Builtins and attributes that can bind names which the source does not show.
DYNAMIC = {"exec", "eval", "globals", "locals", "vars", "setattr", "delattr"}
DYNAMIC_ATTRIBUTES = {"__dict__", "__setattr__", "__delattr__", "f_globals", "f_locals"}
# Names in a module before its first line is executed (importlib/_bootstrap.py, module_from_spec).
GIVEN = {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__path__", "__file__"}
GIVEN |= {"__cached__", "__builtins__", "__annotations__"}


class Scope:
    """The bindings of one module's names.

    `sites` has the statements that bind or delete a name at the top level, loops and the like
    included.  Functions or other modules may have bound the names in `unsure` as well.  If the
    scope `is_open`, that is so for all names.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        # A function with a decorator may be there, and run, before its definition has ended.
        everything = list(functions(tree.body))
        self.starts = {first_line(one) for one in everything}
        self.plain = {first_line(one) for one in everything if not one.decorator_list}
        self.sites: dict[str, list[ast.AST]] = {}
        self.unsure: set[str] = set()
        self.is_open = False
        waiting: list[tuple[ast.AST, ast.AST, bool]] = [(one, one, True) for one in tree.body]
        while waiting:
            node, statement, is_top = waiting.pop()
            if isinstance(node, ast.stmt):
                statement = node
            self.note(node, statement, is_top)
            waiting += [(one, statement, is_top) for one in outside(node)]
            waiting += [(one, statement, False) for one in inside(node)]

    def note(self, node: ast.AST, statement: ast.AST, is_top: bool) -> None:
        """Note the names that `node` binds; `statement` is the one that it is a part of.

        `is_top` says that it is in the module's own scope, not in a function's or class's.
        """
        if isinstance(node, ast.Global):
            self.unsure.update(node.names)
        elif isinstance(node, ast.Attribute):
            if not isinstance(node.ctx, ast.Load):
                self.unsure.add(node.attr)  # of an object that may be this module
            self.is_open |= node.attr in DYNAMIC_ATTRIBUTES
        elif isinstance(node, ast.Name) and node.id in DYNAMIC:
            self.is_open = True
        if is_top:
            for name in names_of(node):
                self.is_open |= name == "*"
                self.sites.setdefault(name, []).append(statement)

    @functools.cached_property
    def foreign(self) -> ForeignCode:
        """The statements that can run code of other modules."""
        return ForeignCode(self)

    def is_free(self, name: str) -> bool:
        """Tell whether nothing in this module binds `name`, so that it is a builtin."""
        return not self.is_open and self.is_never_bound(name)

    def is_never_bound(self, name: str) -> bool:
        """Tell whether no binding of `name` is in the source; `exec` and the like do not count."""
        return name not in self.sites and name not in self.unsure

    def origin(self, name: str) -> str:
        """Return the dotted name that `name` was imported as ("sys.platform"); "" if unknown."""
        sites = self.sites.get(name, [])
        if self.is_open or name in self.unsure or len(sites) != 1:
            return ""
        (site,) = sites
        for one in site.names if isinstance(site, ast.Import | ast.ImportFrom) else ():
            if (one.asname or one.name.partition(".")[0]) != name:
                continue
            if isinstance(site, ast.ImportFrom):
                return f"{site.module}.{one.name}" if site.module and not site.level else ""
            return one.name if one.asname else name
        return ""

    def proven(self, load: ImportedModule) -> set[int]:
        """Return the first lines of statements that have run to their end, by the names in `load`.

        If a name is missing, those that are bound later prove nothing: others may have put them
        there.
        """
        present = {name.lstrip(".") for name in load.names.split()}
        certain = [one for one in self.tree.body if self.certain(one)]
        missing = [one for one in certain if not present.issuperset(self.certain(one))]
        end = missing[0].lineno if missing else float("inf")
        found: set[int] = set()
        if not self.is_open:
            found |= {first_line(one) for one in self.bound_here(load) if one.lineno < end}
        if load.reached is None and not missing:
            found |= {first_line(one) for one in certain}  # the whole import has ended
        return found

    def made(self, load: ImportedModule) -> set[int]:
        """Return the first lines of the functions that exist in the namespace of `load`."""
        return {int(line) for line in load.lines.split()} & self.starts

    def bound_here(self, load: ImportedModule) -> Iterator[ast.stmt]:
        """Yield the statements that alone can have bound a name in the namespace of `load`.

        Other modules bind names as well, as `settings.VERBOSE = True` does.  The names are in the
        order in which they were bound.  A name that is bound in a block, which may not have been
        entered, must come after those that stand before the block, and before at least one that
        stands after it.  Nothing between these two may run code of other modules.  Nobody sets
        names in a main program.
        """
        names = dict.fromkeys(load.names.split())
        sites = [one for name in names for one in self.sole(name) if last_name(one) == name]
        straight = {id(one) for one in self.tree.body}
        before: list[int] = []  # for each site, the highest line that came before it
        after: list[float] = []  # and the lowest that came after it, from the last on
        highest, lowest = 0, float("inf")
        for one, last in zip(sites, reversed(sites), strict=True):
            before.append(highest)
            after.append(lowest)
            highest = max(highest, one.lineno if id(one) in straight else 0)
            lowest = min(lowest, last.lineno if id(last) in straight else float("inf"))
        for one, above, below in zip(sites, before, reversed(after), strict=True):
            is_between = above < one.lineno < below
            is_between &= bool(load.main) or not self.foreign.can_set(one, above, below)
            if id(one) in straight or is_between:
                yield one

    def is_missing(self, block: list[ast.stmt], present: set[str]) -> bool:
        """Tell whether a name that `block` surely binds is not in `present`."""
        return any(not present.issuperset(self.certain(one)) for one in block)

    def sole(self, name: str) -> list[ast.stmt]:
        """Return, as a list, the statement that alone binds `name`; [] if there are others."""
        sites = self.sites.get(name, [])
        if len(sites) != 1 or name in self.unsure or name in GIVEN:
            return []
        return [one for one in sites if isinstance(one, ast.stmt)]

    def certain(self, statement: ast.stmt) -> list[str]:
        """Return the names that surely exist once a top-level statement has run to its end."""
        bound = {last_name(statement)} - {""}
        return [name for name in bound if self.sole(name) == [statement]]


def names_of(node: ast.AST) -> list[str]:
    """Return the names that a node by itself binds or deletes; `*` for those of a star import."""
    if isinstance(node, ast.Name):
        return [] if isinstance(node.ctx, ast.Load) else [node.id]
    if isinstance(node, ast.alias):
        return [node.asname or node.name.partition(".")[0]]
    if isinstance(node, Definition | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    if isinstance(node, ast.MatchMapping):
        return [node.rest] if node.rest else []
    return []


def last_name(statement: ast.stmt) -> str:
    """Return the name that a statement binds at its very end; "" if there is none."""
    if isinstance(statement, Definition):
        return statement.name
    if isinstance(statement, ast.Import | ast.ImportFrom):
        if getattr(statement, "level", 0) and not getattr(statement, "module", None):
            return ""  # it may be a submodule, which others can have imported
        last = statement.names[-1]
        return (last.asname or last.name.partition(".")[0]).rstrip("*")
    target: ast.AST | None = None
    if isinstance(statement, ast.Assign):
        target = statement.targets[-1]
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target = statement.target
    while isinstance(target, ast.Tuple | ast.List | ast.Starred):
        if isinstance(target, ast.Starred):
            target = target.value
        else:
            target = target.elts[-1] if target.elts else None
    return target.id if isinstance(target, ast.Name) else ""
