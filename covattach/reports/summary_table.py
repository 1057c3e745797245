"""The short table for the terminal: the files that ran, and the share of each that ran.

    show(report, console, rows=30)

rich is imported when a table is shown, not with this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from covattach.reports.results import Report, Row
from covattach.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GAP = 2  # blanks between two columns
NAMED = 3  # files in a sentence
LONGEST_NAME = 40  # columns, in such a sentence
SHORTEST_NAME = 8  # columns, in the table; on a narrower terminal rich cuts the headings
BODIES = "In functions"
HEADINGS = ["Stmts", "Miss", "Cover", BODIES]
BRANCH_HEADINGS = ["Stmts", "Miss", "Branch", "BrPart", "Cover", BODIES]


def show(report: Report, console: Console, rows: int = 30) -> None:
    """Print at most `rows` of the files that have run, by name, and a total of all files.

    The last column is the share of the functions' bodies that ran: other code runs once, at import.
    If more files ran than fit, those with the most executed lines are shown.
    """
    ran = [row for row in report.rows if row.executed]
    most = sorted(ran, key=lambda row: row.executed, reverse=True)[:rows]
    shown = sorted(most, key=lambda row: row.name)
    console.print(build(shown, report, console.width), highlight=False)
    not_run = [row for row in report.rows if row.statements and not row.executed]
    for line in (*unseen(len(ran) - len(shown), not_run), *legend(report.total)):
        console.print(line, highlight=False)


def unseen(more: int, not_run: list[Row]) -> list[str]:
    """Return sentences on files that only TOTAL counts: `more` that ran, and those `not_run`."""
    said = []
    if more:
        said.append(f"Not in the table, but in TOTAL: {counted(more, 'more file')} that ran.")
    if not_run:
        names = [shorten(printable(row.name), LONGEST_NAME) for row in not_run[:NAMED]]
        others = ", …" if len(not_run) > NAMED else ""
        said.append(
            f"Not in the table, but in TOTAL: {counted(len(not_run), 'file')} of which nothing ran"
            f" while it was measured ({', '.join(names)}{others})."
        )
    return said


def counted(number: int, what: str) -> str:
    """Return `number` with the noun `what`, such as "1 file" or "2 files"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def legend(total: Row) -> list[str]:
    """Return the sentences that explain the columns that are not coverage's own."""
    said = []
    if total.at_import:
        missing = f"Of the {total.missing} statements in Miss, {total.at_import} ran before"
        said.append(f"{missing} the attach, when modules were imported.")
    if total.in_functions:
        said.append(f"{BODIES}: how much of their bodies ran; all else runs once, at import.")
    return said


def build(shown: list[Row], report: Report, width: int) -> Table:
    """Return the table of the rows `shown` for a terminal of `width` columns."""
    from rich.table import Table
    from rich.text import Text

    headings = BRANCH_HEADINGS if report.branch else HEADINGS
    lines = [cells(row, report.branch) for row in [*shown, report.total]]
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    taken = sum(
        GAP + max(len(heading), *(len(line[at]) for line in lines))
        for at, heading in enumerate(headings)
    )
    table.add_column("Name", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row, line in zip(shown, lines, strict=False):
        table.add_row(Text(shorten(printable(row.name), max(width - taken, SHORTEST_NAME))), *line)
    table.add_section()
    table.add_row(report.total.name, *lines[-1], style="bold")
    return table


def cells(row: Row, branch: bool) -> list[str]:
    """Return the numbers of a row as the table shows them."""
    numbers = [row.statements, row.missing, *([row.branches, row.partial] if branch else [])]
    functions = f"{row.functions_shown}%" if row.in_functions else "-"
    return [*map(str, numbers), f"{row.shown}%", functions]


def shorten(name: str, width: int) -> str:
    """Return a path that takes at most `width` columns, with an ellipsis in its middle.

    The end says which file it is, and the beginning which project: both stay.
    """
    from rich.cells import cell_len

    if cell_len(name) <= width:
        return name
    head, tail = name[: width // 3], name[-(width - width // 3 - 1) :]
    while cell_len(head) + 1 + cell_len(tail) > width:
        head, tail = (head[:-1], tail) if head else (head, tail[1:])
    return f"{head}…{tail}"
