"""What is known of a file's lines besides what was measured: imports, and functions.

    examine(file_reporter, analysis, tree, loads, changed) -> Known

The numbers are those of coverage's statements: of their first lines, without those excluded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from covattach.reports import blocks, toplevel
from covattach.reports.loads import Load

if TYPE_CHECKING:
    from coverage.plugin import FileReporter
    from coverage.results import Analysis


@dataclass(frozen=True)
class Known:
    """Statements that did not run while measured, by what is known of them; and functions.

    `at_import` ran before; `undecided` may have.  `in_functions` is how many statements, and
    branches where they are measured, there are in bodies of functions; `ran_in_functions` how many
    of these ran while measured.
    """

    at_import: set[int] = field(default_factory=set)
    undecided: set[int] = field(default_factory=set)
    in_functions: int = 0
    ran_in_functions: int = 0


def syntax(file_reporter: FileReporter | None) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for what is none.

    coverage's parser has it until it looks for branches: so it is parsed once for both.  Raises
    what coverage raises for a source that cannot be read or parsed.
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
    loads: Iterable[Load],
    changed: bool,
) -> Known:
    """Return what is known of a file's lines.

    `loads` are the modules that had been made of it before.  Of a file that has `changed` since,
    no line is said to have run at import: it may be another one now.
    """
    functions = blocks.function_lines(tree) & analysis.statements
    points, ran = len(functions), len(functions - analysis.missing)
    for line, (ways, taken) in analysis.branch_stats().items() if analysis.has_arcs else ():
        if line in functions:
            points, ran = points + ways, ran + taken
    try:
        found = toplevel.judge(tree, loads, analysis.statements - analysis.missing)
    except RecursionError:  # a chain of a thousand `elif`
        return Known(set(), analysis.missing - functions, points, ran)
    if found is None:
        return Known(set(), set(), points, ran)
    missing = analysis.missing - functions
    if changed:
        return Known(set(), missing, points, ran)
    at_import = file_reporter.translate_lines(found.ran) & missing
    passed_over = file_reporter.translate_lines(found.passed_over)
    return Known(at_import, missing - at_import - passed_over, points, ran)
