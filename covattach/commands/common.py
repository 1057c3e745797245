"""What several commands share: types of options, facts to stdout, words to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from covattach.facts import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

NUMBERS = ("PID", "for", "points")
GAP = 2  # columns between columns
SHORTEST = 12  # columns for a command line, on however narrow a terminal
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

SPINNING: list[Callable[[], contextlib.AbstractContextManager[None]]] = []  # hides progress
ROWS = "covattach.rows"  # in a context's `meta`: facts to be printed as one list

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the facts as JSON on standard output."
)


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A length of time such as 30, 30s, 10m, 2h or 7d, as seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Return the seconds; fails with a usage error for anything else."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", str(value))
        if not found or float(found[1]) == 0:
            self.fail(f"{value!r} is not a time such as 30s, 10m or 2h", param, context)
        return float(found[1]) * UNITS[found[2]]


class Patterns(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A comma-separated list of regular expressions, as coverage's own `--contexts` has it."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> list[str]:
        """Return the expressions; fails with a usage error for one that is none."""
        patterns = [part.strip() for part in str(value).split(",") if part.strip()]
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                self.fail(f"{pattern!r} is no regular expression: {error}", param, context)
        return patterns


timeout_option = click.option(
    "--timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long to wait for a safe point in the target.",
)


def listed(context: click.Context, param: click.Parameter, value: str | None) -> list[str]:
    """Return a comma-separated option as a list, as coverage's own options are given."""
    return [part.strip() for part in (value or "").split(",") if part.strip()]


def measuring_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options by which `start` and `run` say what to measure, and how."""
    for option in reversed(
        (
            click.option(
                "--core",
                type=click.Choice(["sysmon", "ctrace"]),
                help="coverage's measuring core.  [default: the fastest that can do it]",
            ),
            click.option(
                "--branch/--no-branch", default=None, help="Measure branches, not only lines."
            ),
            click.option(
                "--source", callback=listed, metavar="LIST", help="Packages or folders to measure."
            ),
            click.option(
                "--include", callback=listed, metavar="LIST", help="Only files like these patterns."
            ),
            click.option(
                "--omit", callback=listed, metavar="LIST", help="No files like these patterns."
            ),
            click.option(
                "--rcfile",
                type=click.Path(exists=True, dir_okay=False),
                help="coverage's configuration.  [default: the target's own]",
            ),
        )
    ):
        command = option(command)
    return command


def chosen_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Take what these options say out of `given`; return it by the names that coverage has."""
    include, omit = given.pop("include"), given.pop("omit")
    return {
        "run:branch": given.pop("branch"),
        "run:source": given.pop("source"),
        "run:include": include,
        "run:omit": omit,
        "report:include": include,
        "report:omit": omit,
    }


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options by which `dump` and `stop` say where the data and the reports go."""
    for option in reversed(
        (
            click.option(
                "--data-file",
                type=click.Path(dir_okay=False),
                default=".coverage",
                show_default=True,
                help="Write the data here, for every tool that reads coverage's files.",
            ),
            click.option(
                "--html",
                "html",
                type=click.Path(file_okay=False),
                default="htmlcov",
                show_default=True,
                metavar="DIR",
                help="Write the HTML report into this folder.",
            ),
            click.option("--no-html", is_flag=True, help="Make no HTML report."),
            click.option(
                "--format",
                "formats",
                default="html",
                show_default=True,
                metavar="LIST",
                help="Reports to make: html,xml,json,lcov,text,markdown.",
            ),
            click.option(
                "--contexts",
                type=Patterns(),
                metavar="LIST",
                help="Report only what ran in windows that match these regular expressions.",
            ),
        )
    ):
        command = option(command)
    return command


def say(text: str, **style: Any) -> None:
    """Print a line for people: on standard error, so that standard output is for facts.

    What the target has said of itself may be in it: nothing of that is for the terminal to obey.
    `style` is click's.  On a terminal a long line is broken between words.
    """
    if "NO_COLOR" in os.environ:
        style = {}
    with SPINNING[-1]() if SPINNING else contextlib.nullcontext():
        click.echo(click.style(broken(printable(text)), reset=bool(style), **style), err=True)


def broken(text: str) -> str:
    """Return a line as lines that fit the terminal, with its indent, if there is a terminal."""
    if not sys.stderr.isatty():
        return text
    indent = text[: len(text) - len(text.lstrip())]
    width = shutil.get_terminal_size().columns
    lines = textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def print_json(facts: Any) -> None:
    """Print facts for programs on standard output, or keep them for a list of several targets."""
    context = click.get_current_context(silent=True)
    rows = context.meta.get(ROWS) if context else None
    if rows is not None:
        rows.append(facts)
    else:
        click.echo(json.dumps(facts, indent=2, default=str))


@contextlib.contextmanager
def progress(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that tells what is being done: on a terminal, for as long as it is."""
    if verbose or not sys.stderr.isatty():
        yield say if verbose else lambda words: None
        return
    with console().status("") as status:

        @contextlib.contextmanager
        def hidden() -> Iterator[None]:
            status.stop()
            yield
            status.start()

        SPINNING.append(hidden)
        try:
            yield lambda words: status.update(f"{words} …")
        finally:
            SPINNING.remove(hidden)


@contextlib.contextmanager
def asking(verbose: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that tells how many processes of a tree have been asked, and of how many."""
    with progress(verbose) as tell:
        yield lambda done, total: tell(f"asked {done} of {total} processes")


def processes_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    commands: Sequence[str],
    width: int,
) -> Table:
    """Return a table of processes, whose commands take what is left of `width` columns.

    Columns whose headings are in NUMBERS are justified to the right.
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
    """Return a command line that takes at most `room` columns, for a table.

    The folder of its program is left out: what follows tells more.
    """
    from covattach.facts import printable

    program, space, rest = printable(command.strip()).partition(" ")
    shown = f"{program.rpartition('/')[2]}{space}{rest}"
    return shown if len(shown) <= room else f"{shown[: max(room, SHORTEST) - 1]}…"


def console() -> Console:
    """Return where tables for people's eyes go."""
    from rich.console import Console

    # File names and what targets say are shown as they are: `[id].py` is no markup.
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
