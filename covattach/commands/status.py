"""`covattach status`: the sessions on this host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from covattach.commands.common import console, json_option, print_json, processes_table, say
from covattach.commands.targets import ForTargets, target_options

if TYPE_CHECKING:
    from covattach.session import Session

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
HEADINGS = ("PID", "Python", "core", "method", "for", "points", "window")
LONGEST_WINDOW = 20  # characters of a window's name

EPILOG = """
\b
Examples:
  covattach status
  covattach status 4711 --json
"""


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=True, required=False)
@json_option
def status(pids: list[int], is_many: bool, as_json: bool) -> None:
    """Show what is being measured: the process PID, or every session on this host.

    Of a PID that is measured with --tree, all of its processes are shown.
    """
    from covattach import session

    found = [one for pid in pids for one in sessions_of(pid)] or session.sessions()
    if as_json:
        known = [{**one.facts, "alive": one.alive, "socket": one.folder.socket} for one in found]
        print_json([{name: facts.get(name) for name in FIELDS} for facts in known])
        return
    if not found:
        say("Nothing is being measured on this host.")
        return
    screen = console()
    rows = [cells(one) for one in found]
    names = [str(one.facts.get("role") or one.facts.get("command") or "?") for one in found]
    screen.print(processes_table(HEADINGS, rows, names, screen.width))
    for one in found:
        if one.facts.get("off"):
            say(f"Process {one.pid}: {one.facts['off']}.")


def sessions_of(pid: int) -> list[Session]:
    """Return the session of a process, or those of the tree that it is the first of."""
    from covattach import session, tree

    whole = tree.find(pid)
    return tree.sessions(whole) if whole else [session.find(pid)]


def cells(one: Session) -> list[str]:
    """Return what the table says of a session, but for the command."""
    import time

    from covattach.facts import printable

    facts = one.facts
    core = str(facts.get("core") or "?") + (" + branches" if facts.get("branch") else "")
    method = str(facts.get("method") or ("inherited" if facts.get("tree") else "?"))
    python, points = [str(facts.get(name) or "?") for name in ("python", "points")]
    age = short(time.time() - facts.get("since", time.time())) if one.alive else "ended"
    window = printable(str(facts.get("window") or "-"))[:LONGEST_WINDOW]
    return [str(one.pid), python, core, method, age, points, window]


def short(seconds: float) -> str:
    """Return a time in one unit, as people say it."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
