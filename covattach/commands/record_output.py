"""The output of `covattach record`: the lines that ran, or how two windows differ."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covattach.commands.output import LONGEST, print_json, say
from covattach.untrusted import printable

if TYPE_CHECKING:
    from covattach.record.open_window import Outcome
    from covattach.record.recording import RecordedWindow
    from covattach.reports.functions import Function


def report(rans: list[RecordedWindow], where: Path) -> Path | None:
    """Make an HTML report of the recorded windows in the folder `where`; return its index.html."""
    from covattach.commands.report_files import make
    from covattach.files.private_folder import private_folder
    from covattach.reports.destinations import Outputs
    from covattach.session.session import Taken

    with private_folder("record-") as temporary:
        outputs = Outputs(temporary / ".coverage", html=where)
        taken = [Taken(ran.session, ran.snapshot) for ran in rans]
        return make(taken, outputs)[1]


def tell(
    rans: list[RecordedWindow],
    outcome: Outcome | None,
    given: dict[str, Any],
    html: Path | None,
    command: list[str],
) -> None:
    """Print the lines that ran in `rans`, as `given` says, and where their report `html` is."""
    from covattach.commands.pager import paged
    from covattach.record.recording import parts
    from covattach.reports import function_listing
    from covattach.reports import functions as found
    from covattach.snapshot.witness import looking

    first = rans[0].session
    cwd = first.cwd
    with looking(first.leader.witness(), [one.snapshot for one in rans]):
        ran = found.functions(parts(rans), cwd)
    has_past = any(one.before is not None for one in rans)
    if given["new"]:
        ran = found.only_new(ran)
    if given["as_json"]:
        facts = facts_of(rans, ran, has_past)
        ended = {"status": outcome.status, "seconds": outcome.seconds} if outcome else {}
        print_json({**facts, "command": command, **ended, "html": html and str(html)})
        return
    with paged() as screen:
        for warning in dict.fromkeys(text for one in rans for text in one.warnings):
            screen.print(printable(f"Warning: {warning}")[:LONGEST])
        pids = [one.session.pid for one in rans]
        screen.print(function_listing.summary(ran, pids, has_past, given["new"]))
        marks = function_listing.RECORDED if has_past else function_listing.PLAIN
        most = function_listing.LINES if not given["full"] else function_listing.ALL
        function_listing.show(ran, screen, cwd, marks, most)
    if html is not None:
        say(f"Report: {html}")
    for one in rans:
        tell_next(one)


def tell_next(ran: RecordedWindow) -> None:
    """Print the command that compares this window with the one before, if the session goes on."""
    earlier = [name for name in ran.session.facts.get("windows") or [] if name]
    if ran.before is not None and ran.session.alive and earlier:
        names = shlex.join([str(earlier[-1]), ran.window])
        say(f"Compare: covattach record {ran.session.pid} --diff {names}")


def facts_of(rans: list[RecordedWindow], ran: list[Function], has_past: bool) -> dict[str, Any]:
    """Return the lines that ran, by functions, for `--json`.

    `has_past` is whether it is known which lines ran before the recording.
    """
    return {
        "pid": rans[0].session.pid if len(rans) == 1 else None,
        "pids": [one.session.pid for one in rans],
        "windows": [one.window for one in rans],
        "cores": [one.session.facts.get("core") for one in rans],
        "files": len({one.file for one in ran}),
        "lines": sum(len(one.lines) for one in ran),
        "new": sum(len(one.new) for one in ran) if has_past else None,
        "functions": [
            {
                "file": one.file,
                "function": one.name,
                "line": one.line,
                "ms": one.ms and round(one.ms, 2),
                "lines": one.lines,
                "new": sorted(one.new) if has_past else None,
            }
            for one in ran
        ],
        "warnings": [text for one in rans for text in one.warnings],
    }


def compare(pids: list[int], given: dict[str, Any]) -> None:
    """Print the lines that ran in only one of the two windows of --diff, of all processes."""
    from covattach.commands.pager import paged
    from covattach.record import recording
    from covattach.reports import function_listing
    from covattach.reports import functions as found
    from covattach.session.session_lookup import find_session
    from covattach.snapshot.witness import looking

    first, second = given["diff"]
    members = [find_session(pid) for pid in pids]
    of_first, of_second = (
        [recording.window_of(one, name).snapshot for one in members] for name in (first, second)
    )
    ran_in_first, ran_in_second = (
        found.union(found.lines_of(one.files) for one in several)
        for several in (of_first, of_second)
    )
    cwd = members[0].cwd
    with looking(members[0].leader.witness(), [*of_first, *of_second]):
        different = found.functions([found.difference(ran_in_first, ran_in_second)], cwd)
    if given["as_json"]:
        rows = [
            {
                "file": one.file,
                "function": one.name,
                "line": one.line,
                "only_first": sorted(set(one.lines) - one.new),
                "only_second": sorted(one.new),
            }
            for one in different
        ]
        print_json({"pids": pids, "windows": [first, second], "functions": rows})
        return
    with paged() as screen:
        screen.print(function_listing.compared(different, first, second))
        most = function_listing.LINES if not given["full"] else function_listing.ALL
        function_listing.show(different, screen, cwd, function_listing.DIFFERENT, most)
