"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

from typing import Any

import click

from covattach.commands.common import json_option, output_options, pid_argument, print_json, say
from covattach.commands.dump import check, report

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
    from covattach import session, tree, unmeasured

    more: list[str] = []
    if not no_dump:
        check(where)
    whole = tree.find(pid)
    if whole is not None:
        more = unmeasured.warnings(whole.place)
        taken = [(found, snapshot, 0.0) for found, snapshot in tree.stop(whole)]
        say(f"Process {pid} and its descendants are no longer measured.")
    else:
        found = session.find(pid)
        taken = [(found, session.stop(found), 0.0)]
        say(f"Process {pid} is no longer measured.")
    if not no_dump:
        report(pid, taken, where, as_json, warnings=more)
    elif as_json:
        print_json({"pid": pid, "stopped": True})
