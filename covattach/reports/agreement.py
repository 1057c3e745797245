"""Make the snapshots of several processes agree, so that one data file can hold them all.

    agreed(snapshots, branches, plugins, warnings) -> list[Snapshot]

A data file holds either lines or arcs, and one plugin (file tracer) for each source.  Any process
can report anything about these: its word alone must not take away the data of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from covattach.reports.functions import lines_of
from covattach.snapshot.snapshot import Arcs, Lines, Snapshot

PYTHON = (".py", ".pyw")
MIXED = (
    "Some of these processes were measured with --branch and some without, so this report has no"
    " branches; dump those with --branch by themselves"
)


def agreed(
    snapshots: Sequence[Snapshot],
    branches: Sequence[bool],
    plugins: Collection[str],
    warnings: list[str],
) -> list[Snapshot]:
    """Return the snapshots, changed where necessary so that one data file can hold them all.

    `branches` tells for each snapshot whether its session was begun with branches.  `plugins` are
    the names of the loaded coverage plugins.  Sentences on left-out data are appended to
    `warnings`.
    """
    kind = of_one_kind(snapshots, branches, warnings)
    tracers = tracers_of(kind, plugins)
    return [
        replace(one, file_tracers={name: tracers[name] for name in one.files if tracers.get(name)})
        for one in kind
    ]


def of_one_kind(
    snapshots: Sequence[Snapshot], branches: Sequence[bool], warnings: list[str]
) -> list[Snapshot]:
    """Return the snapshots converted to one kind: all with lines, or all with arcs.

    A snapshot that should have arcs and has only lines is left out, if another has arcs.
    `branches` and `warnings` are those of `agreed`.
    """
    if len({one.branch for one in snapshots}) < 2:
        return list(snapshots)
    # A session that was begun without branches cannot have arcs: only their lines count.
    found = [
        without_branches(one) if one.branch and not branch else one
        for one, branch in zip(snapshots, branches, strict=True)
    ]
    liars = [one for one, branch in zip(found, branches, strict=True) if branch and not one.branch]
    if liars and any(one.branch for one in found):
        found = [one for one in found if one not in liars]
        which = "1 process that tells" if len(liars) == 1 else f"{len(liars)} processes that tell"
        warnings.append(f"What ran in {which} no branches, and should, is left out")
    if len({one.branch for one in found}) > 1:
        found = [without_branches(one) if one.branch else one for one in found]
        warnings.append(MIXED)
    return found


def without_branches(one: Snapshot) -> Snapshot:
    """Return a copy of the snapshot `one` with lines in the place of its arcs."""
    windows: dict[str, Lines | Arcs] = {}
    windows.update((name, lines_of(files)) for name, files in one.windows.items())
    return replace(one, kind="lines", files=lines_of(one.files), windows=windows)


def tracers_of(snapshots: Sequence[Snapshot], plugins: Collection[str]) -> dict[str, str]:
    """Return the plugin (file tracer) that is to report each source; "" for Python sources.

    `plugins` are the names of the loaded ones.  Where the snapshots differ, `chosen` decides.
    """
    said: dict[str, Counter[str]] = {}
    for one in snapshots:
        for name in one.files:
            said.setdefault(name, Counter())[one.file_tracers.get(name, "")] += 1
    return {name: chosen(name, told, plugins) for name, told in said.items()}


def chosen(name: str, said: Counter[str], plugins: Collection[str]) -> str:
    """Return the plugin that is to report the source `name`; "" for none.

    `said` has the plugins that snapshots name for it, with counts.  Where these differ, a Python
    file takes none, if any snapshot says so.  Otherwise a loaded plugin wins, and then the one
    named most often.
    """
    if len(said) == 1:
        return next(iter(said))
    if name.endswith(PYTHON) and "" in said:
        return ""
    loaded = {one: count for one, count in said.items() if one.rpartition(".")[0] in plugins}
    return max(loaded or said, key=lambda one: (bool(one), said[one]))
