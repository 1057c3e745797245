"""Lines of programs: those with a mark in their comment, and the executed ones in a data file."""

from __future__ import annotations

from pathlib import Path

import coverage

from support.targets import TARGETS


def marked(program: str | Path, *marks: str) -> set[int]:
    """Return the numbers of the lines in `program` that end in one of `marks`.

    A relative path starts from tests/targets.
    """
    lines = (TARGETS / program).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(marks)}


def executed_lines(data_file: Path) -> dict[str, set[int]]:
    """Return the executed lines in a data file, by file name."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return {name: set(data.lines(name) or ()) for name in data.measured_files()}
