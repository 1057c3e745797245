"""Facts of a file's lines besides the measured ones: imports, and functions.

    examine(file_reporter, analysis, tree, loads, changed) -> LineStatus

Line numbers are those of coverage's statements: of their first lines, without those excluded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from covattach.reports.import_time import blocks, toplevel
from covattach.snapshot.imported_modules import ImportedModule

if TYPE_CHECKING:
    from coverage.plugin import FileReporter
    from coverage.results import Analysis


@dataclass(frozen=True)
class LineStatus:
    """The statements of a file that ran at import or may have, and counts of those in functions.

    `at_import` are lines that ran before the attach, `undecided` ones may have; neither ran while
    measured.  `in_functions` counts the statements in bodies of functions, and the branches where
    they are measured.  `ran_in_functions` counts those of them that ran while measured.
    """

    at_import: set[int] = field(default_factory=set)
    undecided: set[int] = field(default_factory=set)
    in_functions: int = 0
    ran_in_functions: int = 0


def syntax(file_reporter: FileReporter | None) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for another kind of file.

    coverage's parser keeps it until it looks for branches: so a file is parsed once for both.
    Raises coverage's errors for a source that cannot be read or parsed.
    """
    parser: Any = getattr(file_reporter, "parser", None)
    tree = getattr(parser, "_ast_root", None)
    if isinstance(tree, ast.Module):
        return tree
    text = getattr(parser, "text", None)
    return ast.parse(text) if isinstance(text, str) else None


def examine(
    file_reporter: FileReporter,
    analysis: Analysis,
    tree: ast.Module,
    loads: Iterable[ImportedModule],
    changed: bool,
) -> LineStatus:
    """Return the LineStatus of a file.

    `loads` are the modules that had been made of it before the attach.  If it has `changed` since,
    no line counts as run at import: it may be another line now.
    """
    functions = blocks.function_lines(tree) & analysis.statements
    points, ran = len(functions), len(functions - analysis.missing)
    for line, (ways, taken) in analysis.branch_stats().items() if analysis.has_arcs else ():
        if line in functions:
            points, ran = points + ways, ran + taken
    try:
        found = toplevel.judge(tree, loads, analysis.statements - analysis.missing)
    except RecursionError:  # a chain of a thousand `elif`
        return LineStatus(set(), analysis.missing - functions, points, ran)
    if found is None:
        return LineStatus(set(), set(), points, ran)
    missing = analysis.missing - functions
    if changed:
        return LineStatus(set(), missing, points, ran)
    at_import = file_reporter.translate_lines(found.ran) & missing
    passed_over = file_reporter.translate_lines(found.passed_over)
    return LineStatus(at_import, missing - at_import - passed_over, points, ran)
