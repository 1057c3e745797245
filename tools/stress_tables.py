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

from support.faults import KINDS  # noqa: E402
from support.hazard_list import HAZARDS  # noqa: E402
from support.resumable import ARCHIVE, LEDGER, Ledger  # noqa: E402

Entry = dict[str, Any]


def wanted(kind: str) -> dict[str, int]:
    """Return how many attaches each row of a table needs; `kind` is "hazard" or "fault"."""
    if kind == "hazard":
        return {one.name: one.rounds * len(one.interpreters) for one in HAZARDS}
    return {one.name: one.rounds * len(one.minors) for one in KINDS}


def table(entries: Iterable[Entry], kind: str) -> list[str]:
    """Return the rows of a table: a row for each `kind`, a column for each Python."""
    rows: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        rows[entry["figures"][kind]].append(entry)
    columns = sorted({python(one) for row in rows.values() for one in row}, key=order)
    head = ["| " + " | ".join((kind, *columns, "all")) + " |", "|" + " --- |" * (len(columns) + 2)]
    lines = [
        line(name, {python(one): one for one in rows[name]}, columns, most)
        for name, most in wanted(kind).items()
    ]
    return [*head, *lines]


def line(name: str, row: dict[str, Entry], columns: list[str], most: int) -> str:
    """Return the row `name`, with ", refused" in it if every attach was refused.

    `row` has the entries by column, and `most` is how many attaches are wanted.
    """
    done = sum(map(attaches, row.values()))
    is_refused = bool(done) and all(refused(one) == attaches(one) for one in row.values())
    cells = [cell(row[one], is_refused) if one in row else "" for one in columns]
    whole = f"{done}" if done >= most else f"{done} of {most}"
    return "| " + " | ".join((name + ", refused" * is_refused, *cells, whole)) + " |"


def cell(entry: Entry, is_refused: bool) -> str:
    """Return a test's cell: how many attaches, how many of them refused, and whether it failed."""
    some = f" ({refused(entry)} refused)" if refused(entry) and not is_refused else ""
    harm = "" if entry["outcome"] == "passed" else " **failed**"
    return f"{attaches(entry)}{some}{harm}"


def attaches(entry: Entry) -> int:
    """Return how many attaches a test has made."""
    return int(entry["figures"].get("attaches", 0))


def refused(entry: Entry) -> int:
    """Return how many attaches of a test were refused."""
    return int(entry["figures"].get("refused", 0))


def python(entry: Entry) -> str:
    """Return the interpreter of a test: a version, or a version and its build."""
    return str(entry["figures"]["python"])


def order(name: str) -> tuple[int, str]:
    """Return the sort key of an interpreter's name."""
    version, _, build = name.partition("-")
    return int(version.partition(".")[2]), build


def replaced(text: str, name: str, lines: list[str]) -> str:
    """Return the page `text` with new lines between the two comments called `name`."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + "\n".join([begin, "", *lines, "", end]) + after


def summary(entries: list[Entry], kind: str) -> str:
    """Return a sentence about a whole table."""
    done, most = sum(map(attaches, entries)), sum(wanted(kind).values())
    words = f"{done:,} attaches " + ("in all" if done >= most else f"of {most:,} so far")
    failed = sum(entry["outcome"] != "passed" for entry in entries)
    commits = ", ".join(sorted({entry["commit"] for entry in entries})) or "no commit"
    return f"{words}; tests that failed: {failed}; at {commits}."


def main() -> None:
    """Write the archive, and docs/hazards.md without entries for hazards that no longer exist."""
    ledger = Ledger(ROOT / LEDGER, ROOT / ARCHIVE)
    ledger.write_archive()
    entries = ledger.entries()
    text = PAGE.read_text(encoding="utf-8")
    for kind in ("hazard", "fault"):
        mine = [entry for entry in entries if entry["figures"].get(kind) in wanted(kind)]
        text = replaced(text, kind, [*table(mine, kind), "", summary(mine, kind)])
        print(f"{kind}s: {summary(mine, kind)}")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
