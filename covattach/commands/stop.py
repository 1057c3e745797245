"""`covattach stop`: a last dump, and no trace left in the target."""

from __future__ import annotations

from typing import Any

import click

from covattach.commands.common import json_option, output_options, print_json, say
from covattach.commands.dump import check, report
from covattach.commands.targets import Failures, ForTargets, target_options

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
@json_option
def stop(pids: list[int], is_many: bool, as_json: bool, no_dump: bool, **where: Any) -> None:
    """Write a last report of process PID, stop measuring, and leave no trace in it."""
    from covattach import session

    if not no_dump:
        check(where)
    failures = Failures()
    found, snapshots = [], []
    for pid in pids:
        with failures.kept():
            one = session.find(pid)
            snapshots.append(session.stop(one))
            found.append(one)
            say(f"Process {pid} is no longer measured.")
    if found and not no_dump:
        report(found, snapshots, 0.0, where, as_json)
    elif found and as_json:
        rows = [{"pid": one.pid, "stopped": True} for one in found]
        print_json(rows if is_many else rows[0])
    failures.tell()
