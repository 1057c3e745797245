"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

from typing import Any

import click

from covattach.commands.common import json_option, output_options, pid_argument, print_json, say
from covattach.commands.dump import check, report, write

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
    from covattach import session

    if not no_dump:
        check(where)
    found = session.find(pid)
    if not no_dump and found.alive:
        with found.looked_at():  # if it cannot be written, the session goes on
            write(found, session.snapshot(found)[0], where)
    snapshot = session.stop(found)
    say(f"Process {pid} is no longer measured.")
    if not no_dump:
        report(found, snapshot, 0.0, where, as_json)
    elif as_json:
        print_json({"pid": pid, "stopped": True})
