"""`covattach status`: the sessions on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from covattach.commands.common import console, json_option, print_json, say

if TYPE_CHECKING:
    from covattach.session import Session

FIELDS = (
    "pid",
    "alive",
    "python",
    "method",
    "core",
    "branch",
    "since",
    "points",
    "window",
    "windows",
    "overhead",
    "max_overhead",
    "off",
    "pause_ms",
    "tree",
    "role",
    "command",
    "socket",
)


EPILOG = """
\b
Examples:
  covattach status
  covattach status 4711 --json
"""


@click.command(epilog=EPILOG)
@click.argument("pid", type=click.IntRange(min=1), required=False)
@json_option
def status(pid: int | None, as_json: bool) -> None:
    """Show what is being measured: the process PID, or every session on this host.

    Of a PID that is measured with --tree, all of its processes are shown.
    """
    from covattach import session, tree

    if pid:
        whole = tree.find(pid)
        found = tree.sessions(whole) if whole else [session.find(pid)]
    else:
        found = session.sessions()
    show(found, as_json)


def show(found: list[Session], as_json: bool) -> None:
    """Print what there is to say of some sessions."""
    import time

    from rich.table import Table
    from rich.text import Text

    from covattach.facts import printable

    if as_json:
        rows = [{**one.facts, "alive": one.alive, "socket": one.folder.socket} for one in found]
        print_json([{name: row.get(name) for name in FIELDS} for row in rows])
        return
    if not found:
        say("Nothing is being measured on this host.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("PID", "Python", "core", "method", "for", "points", "window", "what"):
        table.add_column(heading, justify="right" if heading in ("for", "points") else "left")
    for one in found:
        facts = one.facts
        age = f"{time.time() - facts.get('since', time.time()):.0f} s" if one.alive else "ended"
        core = str(facts.get("core")) + (" + branches" if facts.get("branch") else "")
        method = facts.get("method") or "inherited"
        row = (one.pid, facts.get("python"), core, method, age, facts.get("points"))
        who = str(facts.get("role") or facts.get("command"))[:60]
        cells = (*row, facts.get("window") or "-", who)
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    console().print(table)
    for one in found:
        if one.facts.get("off"):
            say(f"Process {one.pid}: {one.facts['off']}.")
