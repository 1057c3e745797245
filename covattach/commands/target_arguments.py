"""The targets of a command: a PID, or `--name REGEX` for all processes that match.

    @click.command(cls=ForTargets)      together with one of
    @target_options(measured=True)      the command gets `pids`, a list
    @each_target(measured=False)        the command is called with each `pid` in turn

Both complete PIDs in the shell: those that are measured, or those that could be.
"""

from __future__ import annotations

import contextlib
import functools
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import click

from covattach.commands.output import ROWS, cut, print_json, say, show
from covattach.deadline import COMMAND
from covattach.errors import CovattachError, NoSession
from covattach.process import procfs_errors

Command = Callable[..., Any]
EXPLAINED = 70  # columns for a command line, the explanation of a PID
NOBODY = -1  # stands for the user ID of a process that has ended
NAMED = "+"  # the placeholder for the PID where --name is given


class ForTargets(click.Command):
    """A click command whose first argument is a PID, which --name replaces."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse the command line, with NAMED in place of the PID if there is --name."""
        own = args[: args.index("--")] if "--" in args else args
        is_named = any(word.partition("=")[0] == "--name" for word in own)
        return super().parse_args(context, [NAMED, *args] if is_named else args)


class Pid(click.IntRange):
    """A PID, or NAMED, its placeholder."""

    name = "pid"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """Return the number, or 0 for NAMED; fails with a usage error for any other text."""
        return 0 if value == NAMED else super().convert(value, param, context)


class Pattern(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A regular expression."""

    name = "pattern"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> re.Pattern[str]:
        """Return the compiled expression; fails with a usage error if it is malformed."""
        try:
            return re.compile(value)
        except re.error as error:
            self.fail(f"{value!r} is no regular expression: {error}", param, context)


def complete(measured: bool) -> Command:
    """Return a click callback that completes PIDs: of `measured` processes, or possible targets."""

    def pids(context: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        from covattach.diagnose.python_processes import pythons

        return [
            CompletionItem(str(one.pid), help=cut(one.command, EXPLAINED))
            for one in pythons(incomplete)
            if (one.is_measured if measured else one.can_attach)
        ]

    return pids


def target_options(measured: bool, required: bool = True) -> Callable[[Command], Command]:
    """Return a decorator that adds the argument PID and the option --name to a command.

    The command is called with `pids`, a list of the targets, which is empty where no target is
    `required` or given.  `is_many` tells it whether --name was given: then it prints a list of
    facts, also for one target.  With `measured`, only processes that are being measured are meant.
    """

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def called(*given: Any, pid: int | None, pattern: Any, **options: Any) -> Any:
            pids = named(pattern, measured) if pattern else [pid] if pid else []
            return command(*given, pids=pids, is_many=pattern is not None, **options)

        argument = click.argument(
            "pid",
            type=Pid(min=1),
            required=required,
            metavar="PID" if required else "[PID]",
            shell_complete=complete(measured),
        )
        option = click.option(
            "--name",
            "pattern",
            type=Pattern(),
            metavar="REGEX",
            help="Instead of a PID: all Python processes with a command line like this.",
        )
        return argument(option(called))

    return add


def each_target(measured: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds PID and --name; the command is called with each `pid` in turn.

    If one call fails, the others are still made, and then the first error is raised.  With --name,
    the facts given to `print_json` are printed as one list.  `measured` is as for `target_options`.
    """

    def add(command: Command) -> Command:
        @target_options(measured)
        @functools.wraps(command)
        def called(*given: Any, pids: list[int], is_many: bool, **options: Any) -> Any:
            if not is_many:
                return command(*given, pid=pids[0], **options)
            return in_turn(
                {pid: functools.partial(command, *given, pid=pid, **options) for pid in pids}
            )

        return called

    return add


class Failures:
    """Collects the errors of some targets while the command goes on with the others."""

    def __init__(self) -> None:
        self.errors: list[CovattachError] = []

    @contextlib.contextmanager
    def kept(self, pid: int = 0) -> Iterator[None]:
        """Keep an error raised in the body, so that the other targets have their turn.

        Waiting in the body is counted as time of the user of process `pid`; 0 means no process.
        """
        try:
            with turn_of(pid), procfs_errors.made_sense():
                yield
        except CovattachError as error:
            self.errors.append(error)

    def tell(self) -> None:
        """Print all errors but the first, and raise that; do nothing if there is none."""
        for error in self.errors[1:]:
            show(error, verbose=False)
        if self.errors:
            raise self.errors[0]


def turn_of(pid: int) -> contextlib.AbstractContextManager[None]:
    """Return a context manager in which waiting counts as time of process `pid`'s real user.

    Nothing is counted for 0.  A process that has ended counts as NOBODY's.
    """
    from covattach.diagnose.allowances import user_of

    try:
        return COMMAND.turn_of(user_of(pid)) if pid else contextlib.nullcontext()
    except OSError:
        return COMMAND.turn_of(NOBODY)


def in_turn(calls: dict[int, Callable[[], Any]]) -> None:
    """Make each call in `calls`, which has one for each PID; then raise the first error.

    The facts that they give to `print_json` are printed as one list.
    """
    failures = Failures()
    rows: list[Any] = []
    meta = click.get_current_context().meta
    meta[ROWS] = rows
    for pid, call in calls.items():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with failures.kept(pid):
            call()
        for number, handler in before.items():
            signal.signal(number, handler)
    del meta[ROWS]
    if rows:
        print_json(rows)
    failures.tell()


def named(pattern: re.Pattern[str], measured: bool) -> list[int]:
    """Print and return the PIDs of processes whose command line contains `pattern`.

    With `measured`, only those that are being measured.  Raises NoTarget if nothing matches, and
    NoSession if none of those is being measured.
    """
    from covattach.diagnose import python_processes
    from covattach.untrusted import printable

    found = python_processes.matching(pattern)
    held = [one for one in found if one.is_measured or not measured]
    if not held:
        raise NoSession(
            f"No process that has {pattern.pattern!r} in its command line is being measured.",
            f"Begin with `covattach start --name {pattern.pattern}`.",
        )
    for one in held:
        say(f"{one.pid:>7}  {printable(one.command)[:100]}")
    return [one.pid for one in held]
