"""Write the tables of docs/hazards.md from the figures that the stress tests have left.

make stress ARGS="tests/stress/test_hazards.py --minutes 45 --resume"    as often as need be
.venv/bin/python tools/stress_tables.py
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "hazards.md"
sys.path.insert(0, str(ROOT / "tests"))

from resumable import LEDGER, Ledger  # noqa: E402


def table(entries: Iterable[dict[str, Any]], kind: str) -> list[str]:
    """Return the rows of a table: a row for each `kind`, a column for each version of Python."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        figures = entry["figures"]
        if kind in figures:
            cells[figures[kind]][figures["python"]] = cell(entry)
    pythons = sorted({one for row in cells.values() for one in row}, key=minor)
    head = ["| " + " | ".join((kind, *pythons)) + " |", "|" + " --- |" * (len(pythons) + 1)]
    rows = [[name, *(row.get(one, "") for one in pythons)] for name, row in cells.items()]
    return [*head, *("| " + " | ".join(row) + " |" for row in rows)]


def cell(entry: dict[str, Any]) -> str:
    """Return the attaches of one test, how many were refused, and the harm if there was any."""
    figures = entry["figures"]
    if not figures.get("attaches"):
        return ""
    refused = f" ({figures['refused']} refused)" if figures.get("refused") else ""
    harm = "" if entry["outcome"] == "passed" else " **failed**"
    return f"{figures['attaches']}{refused}{harm}"


def minor(python: str) -> int:
    """Return the number by which versions are ordered."""
    return int(python.partition(".")[2])


def replaced(text: str, name: str, lines: list[str]) -> str:
    """Return a page with the part between two comments of that name replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + "\n".join([begin, "", *lines, "", end]) + after


def main() -> None:
    """Write the page."""
    entries = Ledger(ROOT / LEDGER).entries()
    text = PAGE.read_text(encoding="utf-8")
    for kind in ("hazard", "fault"):
        mine = [entry for entry in entries if kind in entry["figures"]]
        total = sum(int(entry["figures"].get("attaches", 0)) for entry in mine)
        failed = sum(entry["outcome"] != "passed" for entry in mine)
        commits = sorted({entry["commit"] for entry in mine})
        said = f"{total:,} attaches in all; tests that failed: {failed}; at {', '.join(commits)}."
        text = replaced(text, kind, [*table(mine, kind), "", said])
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
