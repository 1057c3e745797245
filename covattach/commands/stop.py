"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.dump import check, report, snapshots_of
from covattach.commands.options import json_option, output_options, waiting_option
from covattach.commands.output import asking, print_json, say
from covattach.commands.report_files import write_first
from covattach.commands.target_arguments import Failures, ForTargets, target_options
from covattach.deadline import COMMAND

if TYPE_CHECKING:
    from covattach.commands.dump import Taken
    from covattach.session.folder import Folder
    from covattach.session.turns import Count

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
    verbose: bool, /, pids: list[int], is_many: bool, as_json: bool, no_dump: bool, **where: Any
) -> None:
    """Write a last report of process PID, stop measuring, and leave no trace in it."""
    from covattach.session import unmeasured

    if not no_dump:
        check(where)
    failures = Failures()
    stopped: list[int] = []
    taken: list[Taken] = []
    warnings: list[str] = []
    for pid in pids:
        with failures.kept(), asking(verbose) as count:
            if not no_dump:
                write_first(snapshots_of(pid, False, count), where)
                COMMAND.renew()  # that took as long as it took
            warnings += unmeasured.warnings_of(pid)
            taken += stop_one(pid, count)
            stopped.append(pid)
    if taken and not no_dump:
        report(stopped, taken, where, as_json, warnings=warnings)
    elif stopped and as_json:
        rows = [{"pid": pid, "stopped": True} for pid in stopped]
        print_json(rows if is_many else rows[0])
    failures.tell()


def stop_one(pid: int, count: Count) -> list[Taken]:
    """Stop the session of `pid`, or those of its tree; return the last snapshots.

    `count` is told how many have been stopped.
    """
    from covattach.session import session, session_lookup, tree

    whole = tree.find(pid)
    if whole is None:
        found = session_lookup.find(pid)
        taken = [(found, session.stop(found), 0.0)]
        say(f"Process {pid} is no longer measured.")
        tell_left(found.folder)
        return taken
    key = whole.facts.get("key")
    of_all = [(found, snapshot, 0.0) for found, snapshot in tree.stop(whole, count)]
    say(f"Process {pid} and its descendants are no longer measured.")
    tell_left(whole.place, key)
    return of_all


def tell_left(place: Folder, key: object = None) -> None:
    """Say that a session's folder could not be removed, nor those of its tree's other members."""
    from covattach.session import folder_lookup

    left = [one for one in [place, *folder_lookup.members(place, key)] if os.path.lexists(one.path)]
    if left:
        say(f"Warning: {left[0].path} could not be removed ({len(left)} such folders in all).")
        say("Whose it is has made it so, or has put very much into it: remove it by hand.")
