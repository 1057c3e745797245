"""`covattach record`: the code that ran while a command ran, or until the user ends it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from covattach import deadline
from covattach.commands.mark import WindowName
from covattach.commands.options import Duration, json_option, scope_options, trust_option
from covattach.commands.output import progress, say
from covattach.commands.target_arguments import Failures, ForTargets, target_options

if TYPE_CHECKING:
    from covattach.record.open_window import Outcome
    from covattach.record.recording import RecordedSession, RecordedWindow

COMMAND = "covattach.command"  # in a context's `meta`: the command behind `--`
COMMAND_FAILED = 9  # exit code: it was recorded, but the command has failed
EPILOG = """
\b
Examples:
  covattach record 4711 -- curl localhost:8000/a   what ran while curl ran
  covattach record 4711                            … until Enter or Ctrl-C
  covattach record 4711 --for 5s --html DIR        … for 5 seconds, and as an HTML report
  covattach record 4711 --tree -- ./check.sh       … in a server's master, and all its workers
  covattach record --name gunicorn --new -- ./job  in all of them, only what had not run before
  covattach record 4711 --diff quiet busy          compare two windows that have been
"""


class WithCommand(ForTargets):
    """A click command that takes another program's command line after `--`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Keep the words after `--` in `context.meta`, and parse the arguments before them."""
        at = args.index("--") if "--" in args else len(args)
        context.meta[COMMAND] = args[at + 1 :]
        if at == len(args) - 1:
            raise click.UsageError("There is no command behind `--`.", context)
        return super().parse_args(context, args[:at])

    def collect_usage_pieces(self, context: click.Context) -> list[str]:
        """Return the parts of the usage line, with `[-- COMMAND …]` as the last."""
        return [*super().collect_usage_pieces(context), "[-- COMMAND …]"]


@click.command(cls=WithCommand, epilog=EPILOG)
@target_options(measured=False)
@click.option("--tree", is_flag=True, help="Record in all descendants too that run Python now.")
@click.option("--for", "for_", type=Duration(), help="Record for so long; without a COMMAND.")
@click.option("--new", is_flag=True, help="Show only lines that had not run in the session before.")
@click.option("--full", is_flag=True, help="Show all lines of each function, not only the first.")
@click.option(
    "--window", type=WindowName(), metavar="NAME", help="Name the window.  [default: record-1, …]"
)
@click.option(
    "--diff",
    nargs=2,
    type=WindowName(),
    metavar="A B",
    help="Record nothing: show which lines ran in one of two windows only.",
)
@click.option(
    "--html",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Make an HTML report of what ran, too.",
)
@scope_options
@click.option(
    "--timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long to wait for a safe point in the target.",
)
@trust_option
@json_option
@click.pass_context
def record(context: click.Context, /, pids: list[int], is_many: bool, **given: Any) -> None:
    """Show which code process PID runs while COMMAND runs, or until Enter or Ctrl-C.

    Attaches if need be, and then leaves the process as it was; a session that is there goes on.
    COMMAND is run as it is, with its own input and output; if it fails, the exit code is 9.  What
    is shown is all that ran meanwhile, in any thread: other requests, too.
    """
    from covattach.commands.record_output import compare, report, tell
    from covattach.record import open_window, recording
    from covattach.reports import destinations

    command = context.meta[COMMAND]
    if sum(map(bool, (command, given["for_"], given["diff"]))) > 1:
        raise click.UsageError("Give a COMMAND, --for or --diff, not two of them.")
    open_window.check(command)
    where = Path(given["html"]).absolute() if given["html"] else None
    if where is not None:
        destinations.ensure_folder(where)
    if given["tree"]:
        pids = recording.with_descendants(pids)
    if given["diff"]:
        return compare(pids, given)
    failures = Failures()
    rans, outcome = recorded(context.obj, pids, command, given, failures)
    if rans:
        tell(rans, outcome, given, report(rans, where) if where else None, command)
    failures.tell()
    if outcome and outcome.status:
        context.exit(COMMAND_FAILED)
    return None


def recorded(
    verbose: bool, pids: list[int], command: list[str], given: dict[str, Any], failures: Failures
) -> tuple[list[RecordedWindow], Outcome | None]:
    """Record in all processes that allow it; return their windows, and the command's outcome.

    `given` are the options.  The error of a process goes to `failures`.  If none can be recorded,
    `command` is not run, and the outcome is None.
    """
    from covattach.attach import attach_process
    from covattach.record import open_window, recording

    measured = {f"run:{name}": given[name] for name in ("source", "include", "omit")}
    options = attach_process.Options(
        timeout=given["timeout"], given=measured, trust_seccomp=given["trust_seccomp"]
    )
    going, rans = [], []
    with contextlib.ExitStack() as stack:
        with progress(verbose) as tell_progress:
            for pid in pids:
                with failures.kept(pid):
                    found = stack.enter_context(recording.attached(pid, options, tell_progress))
                    window = recording.window(found, given["window"])
                    going.append(stack.enter_context(window))
        if not going:
            return [], None
        for one in going:
            introduce(one.found, one.window, any(measured.values()))
        if command:
            outcome = open_window.run(command, to_stderr=given["as_json"])
            say("")  # the command's last line may have no end
            say(f"{command[0]} {outcome.words} after {outcome.seconds:.2f} s.")
        else:
            outcome = open_window.wait(given["for_"], say)
        deadline.COMMAND.renew()  # the recording itself does not count
        for one in going:
            with failures.kept(one.found.session.pid):
                rans.append(one.end())
    return rans, outcome


def introduce(found: RecordedSession, window: str, has_settings: bool) -> None:
    """Print which process is recorded, and whether it was being measured before.

    `has_settings` is whether files were chosen by options, which do not count for an older session.
    """
    one = found.session
    facts = f"Python {one.facts.get('python')}, core {one.facts.get('core')}"
    say(f"Recording process {one.pid} ({facts}).")
    if found.is_ours:
        say("It is attached to just for this, and left as it was afterwards.")
        return
    say(
        "It is being measured already, and that goes on; what runs now is also kept apart in it,"
        f" as the window {window!r}."
    )
    if has_settings:
        say("Warning: it is measured as it was started, without --source, --include and --omit.")
