"""Making the data file and the reports out of the snapshots of sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covattach.reports.destinations import Outputs
    from covattach.reports.results import Report
    from covattach.session.session import Session, Taken
    from covattach.snapshot.snapshot import Snapshot

MOST_SHOWN = 24  # windows and processes that an HTML report names line by line


def make(
    taken: list[Taken], outputs: Outputs, in_target: bool = False
) -> tuple[Report, Path | None]:
    """Write the data file and make the reports; return the figures, and the HTML's first page.

    The first session in `taken` has the settings for reports, and the folder that names are
    relative to.  Each source is looked at with the rights of the user who has named it.  With
    `in_target`, the target makes the HTML report.
    """
    from covattach.snapshot.witness import looking

    with looking(taken[0].session.leader.witness(), [one.snapshot for one in taken]):
        made = make_here(taken, outputs, in_target)
    if in_target and outputs.html is not None:
        return made, make_html_in_target(taken[0].session, outputs.html)
    return made, made.html


def make_here(taken: list[Taken], outputs: Outputs, in_target: bool) -> Report:
    """Write the data file, and make the reports that are not made in the target."""
    from covattach.files.private_folder import private_folder
    from covattach.reports import render
    from covattach.reports.atomic_file import PREFIX

    with private_folder(PREFIX, outputs.data_file.parent) as private:
        made = private / "data"
        settings = write(taken, outputs, made)
        return render.render(
            outputs.data_file,
            html=None if in_target else outputs.html,
            formats=set(outputs.formats - ({"html"} if in_target else set())),
            settings=settings,
            cwd=taken[0].session.cwd,
            made=made,
            imports=outputs.imports,
        )


def write(taken: list[Taken], outputs: Outputs, made: Path | None = None) -> dict[str, Any]:
    """Write the data file, with a limit on the work; return the settings for its reports.

    `made` is a second path for the data file, in a folder of ours: the one at its destination may
    be replaced by another user at once.
    """
    from covattach.reports import work_limits

    files = sum(len(one.snapshot.files) for one in taken)
    points = sum(one.snapshot.points for one in taken)
    with work_limits.limited_to("The data file", files, points):
        return write_within(taken, outputs, made)


def write_within(taken: list[Taken], outputs: Outputs, made: Path | None) -> dict[str, Any]:
    """Write the data file as `write` does, without a limit; return the settings for its reports."""
    from covattach.process.source_access import LOCAL, current_files
    from covattach.reports import agreement, datafile, loaded_texts, path_aliases, source_files
    from covattach.session.coverage_settings import without_code

    first, snapshots = taken[0].session, [one.snapshot for one in taken]
    asked = first.settings if current_files() is LOCAL else without_code(first.settings)
    names, settings = path_aliases.naming(asked, first.cwd)
    settings = with_windows(settings, snapshots, outputs.contexts)
    times = [one.session.facts.get("since") for one in taken]
    began = min((float(one) for one in times if isinstance(one, int | float)), default=None)
    warnings: list[str] = []
    with source_files.inside(first.cwd):
        ran = {name for snapshot in snapshots for name in snapshot.files}
        # They are found by the target's names, and are to be told from those that ran by ours.
        unseen = source_files.never_ran(settings, first.cwd, ran, warnings)
        known = loaded_texts.look(snapshots, began, names, unseen)
        never = path_aliases.renamed(unseen, names)
        snapshots = [path_aliases.with_names(snapshot, names) for snapshot in snapshots]
    branches = [one.session.has_branches for one in taken]
    plugins = source_files.listed(settings.get("run:plugins"))
    snapshots = agreement.agreed(snapshots, branches, plugins, warnings)
    never -= {name for snapshot in snapshots for name in snapshot.files}
    first.facts["warnings"] = list(dict.fromkeys([*first.facts.get("warnings", ()), *warnings]))
    context = str(settings.get("run:context") or "")
    data_of = origin([one.session for one in taken])
    datafile.write(snapshots, outputs.data_file, data_of, never, context, made, known)
    return settings


def write_first(taken: list[Taken], outputs: Outputs) -> None:
    """Write the data file before a session is stopped; if this fails, the session must go on."""
    from covattach.snapshot.witness import looking

    with looking(taken[0].session.leader.witness(), [one.snapshot for one in taken]):
        write(taken, outputs)


def origin(found: list[Session]) -> dict[str, Any]:
    """Return the facts about the data's origin that are noted in the data file.

    They are those of the session that began first, with the PIDs of all.
    """
    first, *others = sorted(found, key=lambda one: float(one.facts.get("since") or 0))
    return {**first.origin, **({"pids": [one.pid for one in found]} if others else {})}


def with_windows(
    settings: dict[str, Any], snapshots: list[Snapshot], contexts: list[str] | None
) -> dict[str, Any]:
    """Return the settings for reports that show windows and processes as coverage's contexts.

    They are not shown if there are more than MOST_SHOWN, because a line with all of them would be
    no use to anybody.  If there are `contexts`, patterns of names, only matching windows are
    reported.
    """
    named = [name for one in snapshots for name in one.windows or ([""] if one.process else [])]
    shown = {"html:show_contexts": True} if 0 < len(named) <= MOST_SHOWN else {}
    asked = {"report:contexts": contexts} if contexts else {}
    return {**settings, **shown, **asked}


def make_html_in_target(found: Session, directory: Path) -> Path:
    """Have coverage's own reporter run inside the target; return the report's index.html.

    Raises BadUsage if the target is another user's or in a container, and the errors of `ask`.
    """
    from covattach.errors import BadUsage
    from covattach.files.private_folder import private_folder
    from covattach.reports.html_folder import HtmlFolder
    from covattach.session import agent_client, agent_errors, waiting

    if not found.alive:
        raise agent_errors.no_session(found.pid)
    if not (found.folder.is_ours_alone and found.witness().is_us):
        raise BadUsage(
            f"Process {found.pid} is another user's, or in a container: it cannot write here.",
            "Leave --html-in-target out: the report is the same.",
        )
    deadline = waiting.patience(found.pid)
    with HtmlFolder(directory, make=True) as folder, private_folder("report-") as private:
        folder.lend(private)
        agent_client.ask(found.folder, "html", deadline, directory=str(private))
        folder.take(private)
    return directory / "index.html"
