"""The terminal listing of `record`: the functions that ran, with the lines of them that did.

    show(functions, console, cwd, marks=RECORDED, most=LINES)

rich is imported when a listing is shown, not with this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from covattach.reports.functions import OUTSIDE, Function
from covattach.reports.summary_table import counted, shorten
from covattach.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

LINES = 8  # shown of each function, unless more are asked for
ALL = 1 << 30
EXTENT = (
    "Other requests and threads of that time are in it too. Not measured, and so left out, are the"
    " standard library and installed packages, unless --source names them."
)
NOT_DUE = (
    "A loop or a timer in the background can be among the rest: that it ran in one of them need not"
    " be due to what was done meanwhile."
)
WHEN = 11  # columns for the time of a function, or for the number of a line


class Marks(NamedTuple):
    """The marks before lines, with rich's styles: for lines in `Function.new`, and for others."""

    other: str
    other_style: str
    new: str
    new_style: str


RECORDED = Marks(" ", "", "*", "green")
PLAIN = Marks(" ", "", " ", "")
DIFFERENT = Marks("-", "red", "+", "green")


def summary(ran: list[Function], pids: list[int], has_past: bool, only_new: bool) -> str:
    """Return the sentences above a listing of `ran`, the functions that the processes `pids` ran.

    `has_past` says that the session was there before the recording, so that new lines are marked.
    `only_new` says that no other lines are listed.
    """
    who = f"process {pids[0]}" if len(pids) == 1 else f"{len(pids)} processes"
    if not ran:
        what = "Nothing new" if only_new else "Nothing that is measured"
        return f"{what} ran in {who}."
    lines = sum(len(one.lines) for one in ran)
    said = f"{who.capitalize()} ran {counted(lines, 'line')} of {counted(named(ran), 'function')}"
    said += f" in {counted(len({one.file for one in ran}), 'file')}"
    new = sum(len(one.new) for one in ran)
    if only_new:
        said += " that had not run before in this session"
    elif has_past:
        said += f".\n* marks the {counted(new, 'line')} that had not run before in this session"
    return f"{said}.\n{EXTENT}\n{legend(ran)}."


def legend(ran: list[Function]) -> str:
    """Return words on the content and the order of a listing of the functions `ran`."""
    said = "Only lines that ran are shown, and functions"
    if all(one.ms is None for one in ran):
        return f"{said} by file and line"
    said += " in the order in which they began, with the time since the recording began"
    if any(one.ms is None for one in ran):
        said += ".\nFunctions without a time were running already when the recording began"
    return said


def compared(different: list[Function], first: str, second: str) -> str:
    """Return the sentences above a listing of how the windows `first` and `second` differ.

    `different` are the functions, with the lines that ran in only one of the two; `new` in the
    second.
    """
    said = f"Comparing the windows {first!r} and {second!r}; nothing is recorded."
    if not different:
        return f"{said}\nThe same lines ran in both."
    new = sum(len(one.new) for one in different)
    old = sum(len(one.lines) for one in different) - new
    return (
        f"{said}\n"
        f"- {counted(old, 'line')} ran only in {first!r}\n"
        f"+ {counted(new, 'line')} ran only in {second!r}\n"
        f"What ran in both, or in neither, is left out. {NOT_DUE}"
    )


def named(ran: list[Function]) -> int:
    """Return the number of functions, without the entries for lines outside of all functions."""
    return sum(one.name != OUTSIDE for one in ran)


def show(
    functions: list[Function],
    console: Console,
    cwd: Path,
    marks: Marks = RECORDED,
    most: int = LINES,
) -> None:
    """Print a table of the files, if several, and the functions, each with at most `most` lines.

    Names below `cwd` are relative to it.
    """
    timed = any(one.ms is not None for one in functions)
    if len({one.file for one in functions}) > 1:
        console.print(files(functions, cwd, marks, console.width))
    for one in functions:
        console.print()
        put(console, heading(one, cwd, console.width, timed))
        shown = one.lines if len(one.lines) <= most + 1 else one.lines[:most]
        for line in shown:
            put(console, source(one, line, marks))
        if len(shown) < len(one.lines):
            rest = counted(len(one.lines) - len(shown), "more line")
            note(console, f"… and {rest} that ran, up to {one.lines[-1]}: --full shows all")
        if one.is_empty and one.ms is not None:
            note(console, "It was called: there is no other line in it that could run.")


def note(console: Console, words: str) -> None:
    """Print `words`, dim and indented, as a note on the lines above."""
    console.print(f"{'':{WHEN}}  {words}", style="dim", highlight=False)


def put(console: Console, text: Text) -> None:
    """Print one line: on a terminal cut off at the edge, otherwise in full."""
    console.print(
        text,
        no_wrap=True,
        overflow="ellipsis" if console.is_terminal else "ignore",
        crop=console.is_terminal,
        soft_wrap=not console.is_terminal,
    )


def heading(one: Function, cwd: Path, width: int, timed: bool) -> Text:
    """Return the line above a function: the time of its first call, its name, and its place.

    `width` is the terminal's, in columns.  `timed` says whether there is a column for times.
    """
    from rich.text import Text

    when = f"{one.ms:.1f} ms" if one.ms is not None else ""
    name = printable(one.name) if one.name != OUTSIDE else "(outside of functions)"
    text = Text.assemble((f"{when:>{WHEN}}" if timed else "", "cyan"), "  " if timed else "")
    text.append(name, "bold")
    place = f"{relative(one.file, cwd)}:{one.line}"
    room = max(width - text.cell_len - 2, 20)
    text.append(f"  {shorten(place, room)}", "dim")
    return text


def source(one: Function, line: int, marks: Marks) -> Text:
    """Return line number `line` of the function `one`, with its number, its mark and its text."""
    from rich.text import Text

    is_new = line in one.new
    mark, style = (marks.new, marks.new_style) if is_new else (marks.other, marks.other_style)
    text = printable(one.text.get(line, "").expandtabs(4))
    return Text.assemble((f"{line:>{WHEN - 2}} ", "dim"), (f"{mark} {text}", style))


def files(functions: list[Function], cwd: Path, marks: Marks, width: int) -> Table:
    """Return a table of the files, in the order of their first functions, with counts of lines."""
    from rich.table import Table

    rows: dict[str, list[int]] = {}
    for one in functions:
        row = rows.setdefault(one.file, [0, 0, 0])
        row[0] += one.name != OUTSIDE
        row[1] += len(one.lines)
        row[2] += len(one.new)
    headings = ["Functions", "Lines", *(["New"] if marks is RECORDED else [])]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("File", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    room = max(width - sum(len(heading) + 2 for heading in headings), 20)
    for file, row in rows.items():
        table.add_row(shorten(relative(file, cwd), room), *map(str, row[: len(headings)]))
    return table


def relative(file: str, cwd: Path) -> str:
    """Return `file` as people would type it in the target's working directory `cwd`."""
    return printable(file.removeprefix(f"{cwd}/"))
