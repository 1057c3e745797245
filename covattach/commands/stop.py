"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

from typing import Any

import click

from covattach.commands.common import json_option, output_options, pid_argument, print_json, say
from covattach.commands.dump import check, report, write_first

EPILOG = """
\b
Examples:
  covattach stop 4711
  covattach stop 4711 --no-dump
"""


@click.command(epilog=EPILOG)
@pid_argument
@output_options
@click.option("--no-dump", is_flag=True, help="Throw away what was measured since the last dump.")
@json_option
def stop(pid: int, as_json: bool, no_dump: bool, **where: Any) -> None:
    """Write a last report of process PID, stop measuring, and leave no trace in it."""
    from covattach import session, tree

    if not no_dump:
        check(where)
    whole = tree.find(pid)
    if whole is not None:
        if not no_dump:
            write_first(tree.snapshots(whole), where)
        taken = [(found, snapshot, 0.0) for found, snapshot in tree.stop(whole)]
        say(f"Process {pid} and its descendants are no longer measured.")
    else:
        found = session.find(pid)
        if not no_dump and found.alive:
            write_first([(found, *session.snapshot(found))], where)
        taken = [(found, session.stop(found), 0.0)]
        say(f"Process {pid} is no longer measured.")
    if not no_dump:
        report(pid, taken, where, as_json)
    elif as_json:
        print_json({"pid": pid, "stopped": True})
