"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from covattach.commands.dump import report
from covattach.commands.options import json_option, output_options, waiting_option
from covattach.commands.output import asking, print_json, say
from covattach.commands.target_arguments import Failures, ForTargets, target_options
from covattach.deadline import COMMAND

if TYPE_CHECKING:
    from covattach.session.measured import Measured
    from covattach.session.session import Count, Taken

EPILOG = """
\b
Examples:
  covattach stop 4711
  covattach stop 4711 --no-dump
  covattach stop --name gunicorn       one last report of all measured processes like that
"""


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=True)
@output_options
@click.option("--no-dump", is_flag=True, help="Throw away what was measured since the last dump.")
@waiting_option
@json_option
@click.pass_obj
def stop(
    verbose: bool, /, pids: list[int], is_many: bool, as_json: bool, no_dump: bool, **given: Any
) -> None:
    """Write a last report of process PID, stop measuring, and leave no trace in it."""
    from covattach.commands.report_files import write_first
    from covattach.reports.destinations import Outputs
    from covattach.session import unmeasured
    from covattach.session.measured import find

    outputs = Outputs.chosen(**given)
    if not no_dump:
        outputs.ensure_ours()
    failures = Failures()
    stopped: list[int] = []
    taken: list[Taken] = []
    warnings: list[str] = []
    for pid in pids:
        with failures.kept(pid), asking(verbose) as count:
            found = find(pid)
            if not no_dump:
                taken_first = found.snapshots(count=count)
                with COMMAND.at_work():
                    write_first(taken_first, outputs)
            warnings += unmeasured.warnings_of(found)
            taken += stop_measuring(found, count)
            stopped.append(pid)
    if taken and not no_dump:
        report(stopped, taken, outputs, as_json, warnings=warnings)
    elif stopped and as_json:
        rows = [{"pid": pid, "stopped": True} for pid in stopped]
        print_json(rows if is_many else rows[0])
    failures.tell()


def stop_measuring(found: Measured, count: Count) -> list[Taken]:
    """Stop measuring a process or a tree, and print that; return the last snapshots.

    `count` is called with how many processes have been stopped, and of how many.
    """
    taken = found.stop(count)
    say(f"{found.subject} no longer measured.")
    left = found.left()
    if left:
        say(f"Warning: {left[0].path} could not be removed ({len(left)} such folders in all).")
        say("Whose it is has made it so, or has put very much into it: remove it by hand.")
    return taken
