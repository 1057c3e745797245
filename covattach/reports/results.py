"""Figures of reports, of each file and of all, for the table, the pages and `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from covattach.reports.import_time.line_status import LineStatus

if TYPE_CHECKING:
    from coverage.results import Numbers


NO_BRANCHES = {"n_branches": 0, "n_partial_branches": 0, "n_missing_branches": 0}


@dataclass(frozen=True)
class Row:
    """The numbers of one file, or of all: lines and branches, and `percent` from 0 to 100.

    `shown` is the percentage as coverage displays it, without the "%".  Of the missing statements,
    `at_import` ran before the attach, and `undecided` may have.  `in_functions` counts the
    statements and branches in bodies of functions, and `ran_in_functions` those that ran.
    `functions_shown` is their percentage, "" if there are none.
    """

    name: str
    statements: int
    missing: int
    branches: int
    partial: int
    percent: float
    shown: str
    at_import: int = 0
    undecided: int = 0
    in_functions: int = 0
    ran_in_functions: int = 0
    functions_shown: str = ""

    @property
    def percent_of_functions(self) -> float | None:
        """Return how much of the bodies of functions has run, 0 to 100; None if there are none."""
        return 100 * self.ran_in_functions / self.in_functions if self.in_functions else None

    @property
    def never_seen(self) -> int:
        """Return how many statements did not run while measured, and cannot have run before."""
        return self.missing - self.at_import - self.undecided

    @property
    def executed(self) -> int:
        """Return how many statements have run."""
        return self.statements - self.missing


@dataclass(frozen=True)
class Report:
    """A finished report: its figures and its files.

    `rows` are the files in the report, sorted by name.  `html` is the path of the HTML report's
    index.html; `outputs` maps the other formats to their files.  Paths are absolute.
    """

    data_file: Path
    rows: list[Row]
    total: Row
    branch: bool
    html: Path | None = None
    outputs: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Return how many files are in the report."""
        return len(self.rows)

    @property
    def lines(self) -> int:
        """Return how many lines (statements) have run, in all files."""
        return self.total.executed

    @property
    def statements(self) -> int:
        """Return how many statements there are, in all files."""
        return self.total.statements

    @property
    def percent(self) -> float:
        """Return coverage's plain percentage, 0 to 100; 0 where there is nothing at all."""
        return self.total.percent


def to_row(name: str, numbers: Numbers, known: Iterable[LineStatus] = ()) -> Row:
    """Return coverage's numbers as a Row; `known` has the LineStatus of the same files.

    The row "TOTAL" has 0 % if there are no statements, where coverage says 100.
    """
    known = list(known)
    points = sum(one.in_functions for one in known)
    ran = sum(one.ran_in_functions for one in known)
    functions = replace(numbers, n_statements=points, n_missing=points - ran, **NO_BRANCHES)
    nothing_there = not numbers.n_statements and name == "TOTAL"
    return Row(
        name=name,
        statements=numbers.n_statements,
        missing=numbers.n_missing,
        branches=numbers.n_branches,
        partial=numbers.n_partial_branches,
        percent=0.0 if nothing_there else numbers.pc_covered,
        shown="0" if nothing_there else numbers.pc_covered_str,
        at_import=sum(len(one.at_import) for one in known),
        undecided=sum(len(one.undecided) for one in known),
        in_functions=points,
        ran_in_functions=ran,
        functions_shown=functions.pc_covered_str if points else "",
    )
