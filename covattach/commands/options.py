"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

import click

from covattach.deadline import COMMAND
from covattach.payloads.measure.core_choice import NAMES

WAYS = ("missing", "executed", "excluded")  # as reports/import_time/counting.py has them
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the facts as JSON on standard output."
)


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A length of time such as 30, 30s, 10m, 2h or 7d, converted to seconds."""

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
    """A comma-separated list of regular expressions, as coverage takes it for contexts."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> list[str]:
        """Return the expressions as texts; fails with a usage error for a malformed one."""
        patterns = [part.strip() for part in str(value).split(",") if part.strip()]
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                self.fail(f"{pattern!r} is no regular expression: {error}", param, context)
        return patterns


def as_pattern(window: str) -> str:
    """Return a regular expression for `--windows` that matches `window`, quoted for a shell."""
    return shlex.quote(re.sub(r"[^\w -]", ".", window))


def begun(context: click.Context, param: click.Parameter, value: float) -> float:
    """Start the command's deadline, `value` seconds from now: click's callback for --timeout."""
    if not context.resilient_parsing:
        COMMAND.begin(value)
    return value


def time_out(what: str, exposed: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --timeout, with the help text `what`.

    The command gets the seconds as `timeout` only if it is `exposed`.
    """
    return click.option(
        "--timeout",
        type=Duration(),
        default="30s",
        show_default=True,
        envvar="COVATTACH_TIMEOUT",
        show_envvar=True,
        callback=begun,
        expose_value=exposed,
        help=what,
    )


timeout_option = time_out("How long to wait for the target, all in all.", exposed=True)
waiting_option = time_out("How long to wait for the target's answers, all in all.", exposed=False)


trust_option = click.option(
    "--trust-seccomp",
    is_flag=True,
    help="Take a seccomp filter that cannot be read for one that only refuses, and never kills.",
)


def listed(context: click.Context, param: click.Parameter, value: tuple[str, ...]) -> list[str]:
    """Return the values of a repeatable option, split at commas, as one list: a click callback."""
    return [part.strip() for one in value for part in one.split(",") if part.strip()]


def list_option(name: str, metavar: str, what: str) -> Callable[[Callable[..., Any]], Any]:
    """Return an option whose values are separated by commas, or repeated; `what` is its help."""
    return click.option(name, multiple=True, callback=listed, metavar=metavar, help=what)


def together(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Return one decorator that adds all these options to a command, in this order in its help."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


# The files to measure.
scope_options = together(
    list_option("--source", "LIST", "Packages or folders to measure."),
    list_option("--include", "GLOBS", "Only files like these."),
    list_option("--omit", "GLOBS", "No files like these."),
)
# Those of `start` and `run`: the lines to measure, and the core.
measuring_options = together(
    click.option(
        "--core",
        type=click.Choice(NAMES),
        help="coverage's measuring core.  [default: the fastest that can do it]",
    ),
    click.option("--branch/--no-branch", default=None, help="Measure branches, not only lines."),
    scope_options,
    click.option(
        "--rcfile",
        type=click.Path(exists=True, dir_okay=False),
        help="coverage's configuration.  [default: the target's own]",
    ),
)


def chosen_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Take the measuring options out of `given`; return them under coverage's setting names."""
    include, omit = given.pop("include"), given.pop("omit")
    return {
        "run:branch": given.pop("branch"),
        "run:source": given.pop("source"),
        "run:include": include,
        "run:omit": omit,
        "report:include": include,
        "report:omit": omit,
    }


# Those by which `dump`, `stop` and `run` say where the data and the reports go.
output_options = together(
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
        "--imports",
        type=click.Choice(WAYS),
        default=WAYS[0],
        show_default=True,
        help="How XML, JSON, LCOV and text count lines that ran before, at import.",
    ),
    click.option(
        "--windows",
        "--contexts",
        "contexts",
        type=Patterns(),
        metavar="REGEXES",
        help="Report only what ran in windows, coverage's contexts, with names like these.",
    ),
)
