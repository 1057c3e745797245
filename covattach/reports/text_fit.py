"""Whether a source fits the modules that are said to be made of it, if timestamps do not tell.

    fits(tree, source, loads, ran) -> bool | None

The source must have the modules' functions and names, and the lines that ran must be code in it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
from collections.abc import Iterable

from covattach.reports.import_time.blocks import Definition, first_line, runs_once
from covattach.reports.import_time.name_bindings import Scope
from covattach.snapshot.imported_modules import ImportedModule

NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
SIMPLE = ast.Assign | ast.AugAssign | ast.Import | ast.ImportFrom | Definition


def fits(
    tree: ast.Module, source: str, loads: Iterable[ImportedModule], ran: set[int]
) -> bool | None:
    """Tell whether the modules `loads` can have been made of a source; None where nothing tells.

    `ran` are the lines that ran while measured, as the target reported them.  True where something
    proves it: a function of the module begins where the source has one, or the names are all there,
    or its top level ran.  False where something contradicts it.
    """
    if not are_code(ran, source):
        return False
    top = [first_line(one) for one in tree.body if isinstance(one, SIMPLE) and runs_once(one)]
    begun = [line for line in top if line in ran]
    if begun and any(line < begun[-1] and line not in ran for line in top if line > begun[0]):
        return False
    made = [is_made_of(tree, load) for load in loads]
    if False in made:
        return False
    return (any(made) or (not made and bool(begun))) or None


def are_code(lines: set[int], source: str) -> bool:
    """Tell whether all these lines of `source` exist, and none is blank or a comment.

    Line 0, which Python reports for a module's start, is allowed.
    """
    text = source.split("\n")  # Python knows no other ends of lines, such as form feeds
    found = {0, *(n for n, line in enumerate(text, 1) if line.strip() and line.lstrip()[0] != "#")}
    return lines <= found or lines <= found | lines_of_tokens(source)


def lines_of_tokens(source: str) -> set[int]:
    """Return the lines that have tokens of code, with all lines of a string or token of several."""
    found: set[int] = set()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type not in NO_CODE:
                found.update(range(token.start[0], token.end[0] + 1))
    return found


def is_made_of(tree: ast.Module, load: ImportedModule) -> bool | None:
    """Tell whether the module `load` can have been made of `tree`; None where nothing tells."""
    lines = {int(line) for line in load.lines.split()}
    firsts = {
        first_line(node) if isinstance(node, ast.stmt) else node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    }
    if not lines <= firsts:
        return False
    scope, there = Scope(tree), {name.lstrip(".") for name in load.names.split()}
    bound = {name for one in tree.body for name in scope.certain(one)}
    if load.reached is None and not bound <= there:
        return False
    return bool(lines or bound) or None
