"""What reports say: the figures of each file and of all, for the table and for `--json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage.results import Numbers


@dataclass(frozen=True)
class Row:
    """The numbers of one file, or of all: lines and branches, and `percent` from 0 to 100.

    `shown` is the percentage as coverage displays it, without the sign.
    """

    name: str
    statements: int
    missing: int
    branches: int
    partial: int
    percent: float
    shown: str

    @property
    def executed(self) -> int:
        """Return how many statements have run."""
        return self.statements - self.missing


@dataclass(frozen=True)
class Report:
    """What was made, and what it says.

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


def to_row(name: str, numbers: Numbers) -> Row:
    """Return coverage's numbers with a name; nothing at all is 0 %, where coverage says 100."""
    nothing_there = not numbers.n_statements and name == "TOTAL"
    return Row(
        name=name,
        statements=numbers.n_statements,
        missing=numbers.n_missing,
        branches=numbers.n_branches,
        partial=numbers.n_partial_branches,
        percent=0.0 if nothing_there else numbers.pc_covered,
        shown="0" if nothing_there else numbers.pc_covered_str,
    )
