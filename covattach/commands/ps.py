"""`covattach ps`: the Python processes of this host, and whether they can be attached to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from covattach.commands.options import json_option
from covattach.commands.output import console, print_json, processes_table, say

if TYPE_CHECKING:
    from rich.text import Text

    from covattach.diagnose.python_processes import Python

EPILOG = """
\b
Examples:
  covattach ps
  covattach ps --json
"""
HEADINGS = ("PID", "user", "Python", "state")
NAMED = 6  # PIDs in a sentence


@click.command(epilog=EPILOG)
@json_option
def ps(as_json: bool) -> None:
    """Show the Python processes on this host, and whether they can be attached to.

    Only looks at /proc: no process is touched.  `covattach doctor PID` tells more of one.
    """
    from covattach.diagnose import python_processes

    found = python_processes.pythons()
    if as_json:
        print_json([facts(one) for one in found])
        return
    if not found:
        say("No Python process runs on this host.")
        return
    screen = console()
    rows = [(str(one.pid), one.user, one.python or "?", state(one)) for one in found]
    commands = [one.command for one in found]
    screen.print(processes_table(HEADINGS, rows, commands, screen.width))
    for reason, pids in reasons(found).items():
        more = f" and {len(pids) - NAMED} more" if len(pids) > NAMED else ""
        say(f"Cannot attach to {', '.join(map(str, pids[:NAMED]))}{more}. {reason}")
    if any(one.can_attach and not one.is_measured for one in found):
        say("Next: covattach start PID")


def facts(one: Python) -> dict[str, object]:
    """Return the row of a process as a dict for `--json`."""
    return {
        "pid": one.pid,
        "user": one.user,
        "python": one.python,
        "can_attach": one.can_attach,
        "is_measured": one.is_measured,
        "why_not": one.why_not or None,
        "remedy": one.remedy or None,
        "command": one.command,
    }


def state(one: Python) -> Text:
    """Return the state of a process as a coloured text: measured, can be attached, or cannot."""
    from rich.text import Text

    if one.is_measured:
        return Text("measured by covattach", "cyan")
    if one.can_attach:
        return Text("can be attached", "green")
    return Text("cannot: see below", "red")


def reasons(found: list[Python]) -> dict[str, list[int]]:
    """Group the processes that cannot be attached to: map each reason and remedy to PIDs."""
    groups: dict[str, list[int]] = {}
    for one in found:
        if one.why_not:
            general = re.sub(rf"\b{one.pid}\b", "PID", f"{one.why_not} {one.remedy}")
            groups.setdefault(general, []).append(one.pid)
    return {
        reason.replace("PID", str(pids[0])) if len(pids) == 1 else reason: pids
        for reason, pids in groups.items()
    }
