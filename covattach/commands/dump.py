"""`covattach dump`: a lossless snapshot, its data file, and reports, while the target goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.options import json_option, output_options, waiting_option
from covattach.commands.output import asking, console, print_json, say
from covattach.commands.target_arguments import Failures, ForTargets, target_options

if TYPE_CHECKING:
    from covattach.reports.destinations import Outputs
    from covattach.reports.results import Report
    from covattach.session.session import Taken

MOST_WARNINGS = 50
EPILOG = """
\b
Examples:
  covattach dump 4711
  covattach dump 4711 --html /tmp/report --format html,xml
  covattach dump 4711 --reset          begin anew afterwards
  covattach dump 4711 --windows login  report only what ran in the window "login"
  covattach dump --name gunicorn       one report of all measured processes like that
"""


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=True)
@output_options
@click.option("--reset", is_flag=True, help="Begin anew: the next dump has what ran after this.")
@click.option(
    "--html-in-target",
    "--in-target",
    "in_target",
    is_flag=True,
    help="Let the target make the HTML report itself: slow, and it feels it.",
)
@waiting_option
@json_option
@click.pass_obj
def dump(
    verbose: bool,
    /,
    pids: list[int],
    is_many: bool,
    as_json: bool,
    reset: bool,
    in_target: bool,
    **given: Any,
) -> None:
    """Write the data file of process PID as it is now, and make the reports.

    The target goes on, and goes on being measured.  If the process has ended while it was
    measured, its last save is used.  Several processes have one data file and one report.
    """
    from covattach.reports.destinations import Outputs
    from covattach.session import unmeasured
    from covattach.session.measured import find

    if in_target and is_many:
        raise click.UsageError("--html-in-target is for one PID.")
    outputs = Outputs.chosen(**given)
    outputs.ensure_ours()
    failures = Failures()
    taken: list[Taken] = []
    warnings: list[str] = []
    for pid in pids:
        with failures.kept(pid):
            found = find(pid)
            warnings += unmeasured.warnings_of(found)
            with asking(verbose) as count:
                taken += found.snapshots(reset, count)
    if taken:
        report(pids, taken, outputs, as_json, in_target, warnings)
        if len(pids) == 1 and any(map(goes_on, taken)):
            say(f"Still measuring; to end that: covattach stop {pids[0]}")
    failures.tell()


def goes_on(taken: Taken) -> bool:
    """Whether the process of a snapshot is still being measured."""
    facts = taken.snapshot.facts
    return taken.session.alive and not facts.get("off") and not facts.get("gathered")


def report(
    pids: list[int],
    taken: list[Taken],
    outputs: Outputs,
    as_json: bool,
    in_target: bool = False,
    warnings: Sequence[str] = (),
    more: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the data file, make the reports, and print a summary of both.

    The settings and the working directory of the first session in `taken` count.  `warnings` are
    printed too, and `more` are further facts for `--json`.
    """
    from covattach.commands.report_files import make
    from covattach.reports import summary_table

    made, html = make(taken, outputs, in_target)
    said = [
        *warnings,
        *taken[0].session.not_followed,
        *(warning for one in taken for warning in warned(one)),
        *made.warnings,
    ]
    warned_of = list(filter(None, dict.fromkeys(said)))
    for warning in warned_of[:MOST_WARNINGS]:
        say(f"Warning: {warning}")
    if len(warned_of) > MOST_WARNINGS:
        say(f"Warning: there are {len(warned_of) - MOST_WARNINGS} more of these.")
    summary_table.show(made, console())
    say(f"Data:   {outputs.data_file}")
    if html is not None:
        say(f"Report: {html}")
    if as_json:
        print_json({**facts_of(pids, taken, made, html, outputs.data_file), **more})


def facts_of(
    pids: list[int], taken: list[Taken], made: Report, html: Path | None, data_file: Path
) -> dict[str, Any]:
    """Return the figures of a report, and the processes it was made of, for `--json`."""
    return {
        "pid": pids[0] if len(pids) == 1 else None,
        "pids": pids,
        "data_file": str(data_file),
        "html": str(html) if html else None,
        "files": made.files,
        "lines": made.lines,
        "percent": made.percent,
        "percent_of_functions": made.total.percent_of_functions,
        "statements": made.statements,
        "lines_at_import": made.total.at_import,
        "lines_undecided": made.total.undecided,
        "lines_never_seen": made.total.never_seen,
        "snapshot_ms": round(max(one.milliseconds for one in taken), 2),
        "processes": [described(one) for one in taken],
        "outputs": {name: str(path) for name, path in made.outputs.items()},
    }


def warned(taken: Taken) -> list[str]:
    """Return the warnings about the process of one snapshot."""
    from covattach.session import unmeasured

    found = taken.session
    off = str(
        taken.snapshot.facts.get("off") or ""
    )  # why measuring has ended, as the snapshot of an ended process tells
    others = unmeasured.of_subinterpreters(found.pid) if found.alive else []
    return [*map(str, found.facts.get("warnings", ())), *others, off]


def described(taken: Taken) -> dict[str, Any]:
    """Return the facts of one process and its snapshot, for `--json`."""
    found, snapshot, milliseconds = taken
    return {
        "pid": None if snapshot.facts.get("gathered") else found.pid,
        "role": snapshot.facts.get("role"),
        "alive": found.alive and not snapshot.facts.get("gathered"),
        "points": snapshot.points,
        "snapshot_ms": round(milliseconds, 2),
    }
