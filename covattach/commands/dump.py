"""`covattach dump`: a lossless snapshot, its data file, and reports, while the target goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from covattach.commands.common import console, json_option, output_options, print_json, say
from covattach.commands.targets import Failures, ForTargets, target_options

if TYPE_CHECKING:
    from covattach.reports.figures import Report
    from covattach.reports.snapshot import Snapshot
    from covattach.session import Session

EPILOG = """
\b
Examples:
  covattach dump 4711
  covattach dump 4711 --html /tmp/report --format html,xml
  covattach dump 4711 --reset          begin anew afterwards
  covattach dump 4711 --contexts login report only what ran in the window "login"
  covattach dump --name gunicorn       one report of all measured processes like that
"""


@click.command(cls=ForTargets, epilog=EPILOG)
@target_options(measured=True)
@output_options
@click.option("--reset", is_flag=True, help="Begin anew: the next dump has what ran after this.")
@click.option(
    "--in-target",
    is_flag=True,
    help="Let the target make the HTML report itself: slow, and it feels it.",
)
@json_option
def dump(
    pids: list[int], is_many: bool, as_json: bool, reset: bool, in_target: bool, **where: Any
) -> None:
    """Write what process PID has executed so far, and make the reports.

    The target goes on, and goes on being measured.  Also for a process that has ended while it
    was measured: then it is what was saved last.  Of several processes it is one data file, and
    one report.
    """
    from covattach import session

    if in_target and is_many:
        raise click.UsageError("--in-target is for one PID.")
    check(where)
    failures = Failures()
    found, taken = [], []
    for pid in pids:
        with failures.kept():
            one = session.find(pid)
            taken.append(session.snapshot(one, reset))
            found.append(one)
    if found:
        milliseconds = sum(elapsed for _, elapsed in taken)
        snapshots = [snapshot for snapshot, _ in taken]
        report(found, snapshots, milliseconds, where, as_json, in_target)
    failures.tell()


def check(where: dict[str, Any]) -> None:
    """Refuse what would be in the way of the outputs, before anything is asked of the target."""
    from covattach.reports import outputs

    formats = {part.strip() for part in where["formats"].split(",") if part.strip()}
    if where["no_html"]:
        formats.discard("html")
    where["formats"] = formats
    where["data_file"] = Path(where["data_file"]).absolute()
    where["html"] = Path(where["html"]).absolute() if "html" in formats else None
    outputs.ensure_ours(
        data_file=where["data_file"], html=where["html"], formats=formats, settings={}
    )


def report(
    found: list[Session],
    snapshots: list[Snapshot],
    milliseconds: float,
    where: dict[str, Any],
    as_json: bool,
    in_target: bool = False,
) -> None:
    """Write the data file, make the reports, and tell of both."""
    from covattach.reports import sources, table

    made, html = make(found, snapshots, where, in_target)
    # "off" is said with the snapshot, if the process has ended.
    said = [str(snapshot.facts.get("off") or "") for snapshot in snapshots]
    said += [warning for one in found for warning in one.facts.get("warnings", ())]
    for warning in filter(None, dict.fromkeys([*said, *made.warnings])):
        say(f"Warning: {sources.printable(warning)}")
    table.show(made, console())
    say(f"Data:   {where['data_file']}")
    if html is not None:
        say(f"Report: {html}")
    if as_json:
        print_json(
            {
                "pid": found[0].pid if len(found) == 1 else None,
                "pids": [one.pid for one in found],
                "data_file": str(where["data_file"]),
                "html": str(html) if html else None,
                "files": made.files,
                "lines": made.lines,
                "percent": made.percent,
                "percent_of_functions": made.total.percent_of_functions,
                "statements": made.statements,
                "lines_at_import": made.total.at_import,
                "lines_undecided": made.total.undecided,
                "lines_never_seen": made.total.never_seen,
                "snapshot_ms": round(milliseconds, 2),
                "outputs": {name: str(path) for name, path in made.outputs.items()},
            }
        )


def make(
    found: list[Session],
    snapshots: list[Snapshot],
    where: dict[str, Any],
    in_target: bool = False,
) -> tuple[Report, Path | None]:
    """Write the data file and make the reports; return what they say, and the HTML's first page.

    The settings for reports, and the folder that names are relative to, are the first session's.
    """
    from covattach.reports import datafile, render, sources

    first = found[0]
    settings = with_windows(first.settings, snapshots, where.get("contexts"))
    ran = [name for snapshot in snapshots for name in snapshot.files]
    never = sources.never_ran(settings, first.cwd, ran)
    context = str(settings.get("run:context") or "")
    datafile.write(snapshots, where["data_file"], origin(found), never, context)
    made = render.render(
        where["data_file"],
        html=None if in_target else where["html"],
        formats=where["formats"] - ({"html"} if in_target else set()),
        settings=settings,
        cwd=first.cwd,
    )
    if in_target and where["html"] is not None:
        return made, make_html_in_target(first, where["html"])
    return made, made.html


def origin(found: list[Session]) -> dict[str, Any]:
    """Return what the data file is to say of where it comes from."""
    first, *others = sorted(found, key=lambda one: float(one.facts.get("since") or 0))
    return {**first.origin, **({"pids": [one.pid for one in found]} if others else {})}


def with_windows(
    settings: dict[str, Any], snapshots: list[Snapshot], contexts: list[str] | None
) -> dict[str, Any]:
    """Return the settings for reports that show windows, if there are any, and only those asked."""
    shown = {"html:show_contexts": True} if any(one.windows for one in snapshots) else {}
    asked = {"report:contexts": contexts} if contexts else {}
    return {**settings, **shown, **asked}


def make_html_in_target(found: Session, directory: Path) -> Path:
    """Have coverage's own reporter run inside the target; return the report's first page."""
    import time

    from covattach import client, session
    from covattach.reports import outputs

    if not found.alive:
        raise client.no_session(found.pid)
    deadline = time.monotonic() + session.BRINGING_IN
    client.ask(found.folder, "html", deadline, directory=str(directory))
    outputs.mark_folder(directory)
    return directory / "index.html"
