"""`covattach status`: the sessions on this host."""

from __future__ import annotations

import collections
import os
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.options import as_pattern, json_option, waiting_option
from covattach.commands.output import console, cut, print_json, say
from covattach.commands.target_arguments import ForTargets, target_options

if TYPE_CHECKING:
    from rich.text import Text

    from covattach.session.session import Session

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
    "user",
)
INDENT = "  "

EPILOG = """
\b
Examples:
  covattach status
  covattach status 4711 --json
"""


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=True, required=False)
@waiting_option
@json_option
def status(pids: list[int], is_many: bool, as_json: bool) -> None:
    """Show the session of process PID, or all sessions on this host.

    If PID is the first process of a tree, all processes of that tree are shown.
    """
    from covattach.session.measured import find
    from covattach.session.session_lookup import everywhere

    found = [one for pid in pids for one in find(pid).status()] or everywhere()
    if as_json:
        known = [
            {**one.facts, "alive": one.alive, "socket": one.folder.socket, "user": user(one)}
            for one in found
        ]
        print_json([{name: facts.get(name) for name in FIELDS} for facts in known])
        return
    if not found:
        say("Nothing is being measured on this host.")
        return
    screen = console()
    said, summed_up = summary(found)
    hidden = {id(one) for one in summed_up}
    for one in found:
        if id(one) not in hidden:
            screen.print(title(one, screen.width))
            for line in [*lines(one), *of_tree(one, found), *said.get(one.pid, ())]:
                say(INDENT + line)


def summary(found: list[Session]) -> tuple[dict[int, list[str]], list[Session]]:
    """Sum up the ended workers of each tree in a line.

    Returns these lines, by the PID of the tree's first process, and the sessions that they stand
    for.  Only trees whose first session is in `found` are summed up.
    """
    by_folder = {one.folder.path_in_target: one for one in found}
    ended = collections.Counter[int]()
    summed_up = []
    for one in found:
        tree = one.facts.get("tree")
        first = by_folder.get(str(tree))
        if one.alive or first is None or first is one or first.facts.get("tree") != tree:
            continue
        ended[first.pid] += 1
        summed_up.append(one)
    return {pid: [ended_line(count)] for pid, count in ended.items()}, summed_up


def ended_line(count: int) -> str:
    """Return the line about `count` ended workers of a tree."""
    many = "1 has" if count == 1 else f"{count:,} have"
    return f"{many} ended; what these saved is in the next dump"


def user(one: Session) -> int:
    """Return the user ID of the session's owner."""
    return one.folder.owner.uid if one.folder.owner else os.geteuid()


def title(one: Session, width: int) -> Text:
    """Return the title line of a session: its PID, and its role or command, in `width` columns."""
    from rich.text import Text

    who = f"Process {one.pid}"
    name = str(one.facts.get("role") or one.facts.get("command") or "?")
    return Text.assemble((who, "bold"), ": ", cut(name, width - len(who) - 2))


def lines(one: Session) -> list[str]:
    """Return the lines that describe a session below its title."""
    from covattach.session import unmeasured

    facts = one.facts
    how = f"attached by {facts['method']}" if facts.get("method") else "measured since its start"
    known = (("Python", facts.get("python")), ("core", facts.get("core")))
    by = ", ".join([*(f"{name} {value}" for name, value in known if value), how])
    said = [doing(one), by]
    if one.is_word_of is not None:
        said.append(f"that is the word of user {one.is_word_of}, whose session it is")
    if one.alive and facts.get("window"):
        window = str(facts["window"])
        kept = f"what runs now is also kept apart, as the window {window!r}"
        said.append(f"{kept}: covattach dump {one.pid} --windows {as_pattern(window)}")
    if one.alive and facts.get("max_overhead"):
        slower = f"slowed down by an estimated {facts.get('overhead') or 0:.0f} %"
        said.append(f"{slower}; at more than {facts['max_overhead']:g} % it is taken off")
    return [*said, *(unmeasured.of_subinterpreters(one.pid) if one.alive else [])]


def of_tree(one: Session, found: list[Session]) -> list[str]:
    """Return a line about the session's place in a tree, in a list; [] if it is in none.

    `found` are all sessions that are shown, to find the tree's first.
    """
    tree = one.facts.get("tree")
    if not tree:
        return []
    first = next((other.pid for other in found if other.folder.path_in_target == tree), None)
    if first == one.pid:
        return ["measured with all its descendants, as a tree"]
    return [f"a descendant of process {first}, in its tree" if first else "in a tree of processes"]


def doing(one: Session) -> str:
    """Return a phrase: whether the process is being measured, since when, and how much has run."""
    facts = one.facts
    if not one.alive and facts.get("off"):
        return f"{facts['off']}; what was saved is there: covattach dump {one.pid}"
    if not one.alive:
        return f"it has ended; what was saved last is there: covattach dump {one.pid}"
    if facts.get("off"):
        return str(facts["off"])
    if facts.get("silent"):
        return "it does not answer now: it is very busy, or suspended"
    what = "lines and branches" if facts.get("branch") else "lines"
    return f"measuring {what}, begun {age(facts)} ago: {so_far(facts)}"


def so_far(facts: dict[str, Any]) -> str:
    """Return a phrase on how much has run: lines, or with branches the steps from line to line."""
    number = int(facts.get("points") or 0)
    what = "step" if facts.get("branch") else "line"
    between = " from line to line" if facts.get("branch") else ""
    if not number:
        return f"no {what}{between} ran yet (it may just be waiting)"
    return f"{number:,} different {what}s{between} ran" if number > 1 else f"1 {what}{between} ran"


def age(facts: dict[str, Any]) -> str:
    """Return for how long the session has been measuring, as text."""
    import time

    return short(time.time() - facts.get("since", time.time()))


def short(seconds: float) -> str:
    """Return a length of time in one unit, as text such as "5 min"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
