"""Lines of programs: those that bear a mark, and those that a data file says were executed."""

from __future__ import annotations

from pathlib import Path

import coverage

from support.targets import TARGETS


def marked(program: str | Path, *marks: str) -> set[int]:
    """Return the numbers of the lines of a program, a target by default, that end in a mark."""
    lines = (TARGETS / program).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith(marks)}


def executed_lines(data_file: Path) -> dict[str, set[int]]:
    """Return the executed lines in a data file, by the target's file names."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return {name: set(data.lines(name) or ()) for name in data.measured_files()}
