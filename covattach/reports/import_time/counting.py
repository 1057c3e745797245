"""Lines that ran at import, as single-file reports count them.

    counted(analysis, at_import, how)               count lines that ran at import as `how` says

A line that ran before the attach did not run while it was measured: to coverage it is missing.
For a tool that blames the author of a missing line, it may be counted as executed, or left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage.results import Analysis

MISSING, EXECUTED, EXCLUDED = "missing", "executed", "excluded"
WAYS = (MISSING, EXECUTED, EXCLUDED)


def counted(analysis: Analysis, at_import: set[int], how: str) -> Analysis:
    """Return coverage's analysis of a file, with the lines `at_import` counted as `how` says.

    `how` is one of WAYS.  Branches in these lines count for nothing: it is not known which were
    taken.
    """
    if how == MISSING or not at_import:
        return analysis
    exits = {line: count for line, count in analysis.exit_counts.items() if line not in at_import}
    if how == EXECUTED:
        return replace(analysis, executed=analysis.executed | at_import, exit_counts=exits)
    return replace(
        analysis,
        statements=analysis.statements - at_import,
        excluded=analysis.excluded | at_import,
        exit_counts=exits,
    )
