"""Functions whose bodies ran while measured, and the imports that had defined them before.

    defined(tree, ran) -> list[Function]
    makers(tree, loads, functions) -> list[tuple[ImportedModule, set[int]]]

A load is one import of the module, described by an ImportedModule.
"""

from __future__ import annotations

import ast
from bisect import bisect_left

from covattach.reports.import_time.blocks import (
    Function,
    first_line,
    functions,
    has_begun,
    header,
    span,
)
from covattach.snapshot.imported_modules import ImportedModule


def defined(tree: ast.Module, ran: set[int]) -> list[Function]:
    """Return the functions whose body ran while measured, but not the `def`: that ran before.

    `ran` are the lines that ran while measured.
    """
    lines = sorted(ran)
    found = []
    for function in functions(tree.body):
        body = span(function.body)
        at = bisect_left(lines, body.start)
        if at < len(lines) and lines[at] in body and not header(function) & ran:
            found.append(function)
    return found


def latest(tree: ast.Module, load: ImportedModule) -> float:
    """Return the last line that may have run in a load; infinity if its position is not known."""
    stands = load.is_running and load.reached
    return has_begun(tree.body, load.reached or 0) if stands else float("inf")


def makers(
    tree: ast.Module, loads: set[ImportedModule], earlier: list[Function]
) -> list[tuple[ImportedModule, set[int]]]:
    """Return the loads, each with the first lines of functions that no other can have defined.

    `earlier` are the functions that were defined before.  If none of the loads can have defined one
    of them, there is another copy of the module.  Then all sets are empty.
    """
    ends = {load: latest(tree, load) for load in loads}
    found: dict[ImportedModule, set[int]] = {load: set() for load in loads}
    for start in map(first_line, earlier):
        able = [load for load, end in ends.items() if start <= end]
        if not able:
            return [(load, set()) for load in loads]
        if len(able) == 1:
            found[able[0]].add(start)
    return list(found.items())
