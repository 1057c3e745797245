"""Output of the commands: facts go to standard output, messages to standard error."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from covattach import terminal
from covattach.errors import CovattachError, PayloadFailed
from covattach.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

NUMBERS = ("PID", "for", "points")  # headings of columns with numbers
GAP = 2  # columns between columns
MOST_LINES = 300  # of a traceback or a transcript
LONGEST = 4000  # characters of one line: a target's words can be of any length
SHORTEST = 12  # columns for a command line, on however narrow a terminal

SPINNING: list[Callable[[], contextlib.AbstractContextManager[None]]] = []  # hide the spinner
ROWS = "covattach.rows"  # in a context's `meta`: facts to be printed as one list


def say(text: str, **style: Any) -> None:
    """Print a message on standard error, because standard output is for facts.

    `text` may contain words of the target: each control character is replaced, so that no terminal
    obeys it.  `style` is click's.  On a terminal, a long line is wrapped between words.
    """
    shown = printable(text)
    if len(shown) > LONGEST:
        shown = f"{shown[:LONGEST]}…"
    coloured = style and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    code = click.style("", reset=False, **style) if coloured else ""
    with SPINNING[-1]() if SPINNING else contextlib.nullcontext():
        terminal.err().put(terminal.Painted((broken(shown), code), ("\n", "")))
        sys.stderr.flush()


def say_as_it_is(text: str) -> None:
    """Print a line of a traceback or a transcript on standard error, without wrapping it."""
    terminal.err().write(f"{printable(text)[:LONGEST]}\n")


def broken(text: str) -> str:
    """Return `text` wrapped to the terminal's width, with its indent; as it is without one."""
    if not sys.stderr.isatty():
        return text
    indent = text[: len(text) - len(text.lstrip())]
    width = shutil.get_terminal_size().columns
    lines = textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def print_json(facts: Any) -> None:
    """Print `facts` as JSON on standard output.

    Within `in_turn`, which calls a command for several targets, they are kept for one list of all.
    """
    context = click.get_current_context(silent=True)
    rows = context.meta.get(ROWS) if context else None
    if rows is not None:
        rows.append(facts)
    else:
        terminal.out().write(json.dumps(facts, indent=2, default=str) + "\n")


@contextlib.contextmanager
def progress(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the present step, given as text, until the next one.

    Without a terminal it does nothing; with `verbose` it prints each step as a line.
    """
    if verbose or not sys.stderr.isatty():
        yield say if verbose else lambda words: None
        return
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", style="status.spinner")
    with Live(
        spinner,
        console=console(),
        refresh_per_second=12.5,
        transient=True,
        redirect_stdout=False,  # lines printed meanwhile go our way, not rich's
        redirect_stderr=False,
    ) as live:

        @contextlib.contextmanager
        def hidden() -> Iterator[None]:
            live.stop()
            yield
            live.start()

        SPINNING.append(hidden)
        try:
            yield lambda words: spinner.update(text=Text(f"{printable(words)} …"))
        finally:
            SPINNING.remove(hidden)


@contextlib.contextmanager
def asking(verbose: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows as progress how many processes were asked, and of how many."""
    with progress(verbose) as tell:
        yield lambda done, total: tell(f"asked {done} of {total} processes")


def processes_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    commands: Sequence[str],
    width: int,
) -> Table:
    """Return a table of processes; the last column has their command lines, `commands`.

    These are cut so that the table is `width` columns wide.  Columns whose headings are in NUMBERS
    are justified to the right.
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for heading in (*headings, "command"):
        right = heading in NUMBERS
        shown.add_column(heading, justify="right" if right else "left", no_wrap=True)
    taken = sum(GAP + max(map(len, column)) for column in zip(headings, *rows, strict=True))
    for row, command in zip(rows, commands, strict=True):
        shown.add_row(*row, Text(cut(command, width - taken)))
    return shown


def cut(command: str, room: int) -> str:
    """Return a command line cut to at most `room` columns, for a table.

    The folder of its program is left out: the arguments tell more.
    """
    from covattach.untrusted import printable

    program, space, rest = printable(command.strip()).partition(" ")
    shown = f"{program.rpartition('/')[2]}{space}{rest}"
    return shown if len(shown) <= room else f"{shown[: max(room, SHORTEST) - 1]}…"


def console() -> Console:
    """Return rich's console, for tables on standard error."""
    return terminal.screen()


def show(error: CovattachError, verbose: bool) -> None:
    """Print an error and its remedy, with the details only if `verbose`."""
    details = error.details if verbose else ""
    if isinstance(error, PayloadFailed):
        details += "\n" + error.traceback
    # As they come from the target, and so that none can be taken for one of ours.
    for line in details.strip().splitlines()[-MOST_LINES:]:
        say_as_it_is(f"  {line.expandtabs()}")
    say(f"Error: {error.message}", fg="red")
    say(f"Remedy: {error.remedy}")
