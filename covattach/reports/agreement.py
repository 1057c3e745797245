"""Snapshots of several processes for one data file, made to agree where they differ.

    agreed(snapshots, branches, plugins, warnings) -> list[Snapshot]

A data file holds lines or arcs, and of each source one plugin.  Any process can say anything of
that: its word alone must not take away what the others have told.
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
    """Return the snapshots as they can be in one data file; add sentences to the warnings.

    `branches` tell which of them were begun with branches.  `plugins` are those that are loaded.
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
    """Return the snapshots with lines only, or with arcs only."""
    if len({one.branch for one in snapshots}) < 2:
        return list(snapshots)
    # Arcs of one that was begun without branches have the lines that it may have.
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
    """Return a snapshot with its lines in the place of its arcs."""
    windows: dict[str, Lines | Arcs] = {}
    windows.update((name, lines_of(files)) for name, files in one.windows.items())
    return replace(one, kind="lines", files=lines_of(one.files), windows=windows)


def tracers_of(snapshots: Sequence[Snapshot], plugins: Collection[str]) -> dict[str, str]:
    """Return the plugin that each source is to be reported by; none for Python.

    Where they differ, a name of Python's tells, then a plugin that is loaded, then their number.
    """
    said: dict[str, Counter[str]] = {}
    for one in snapshots:
        for name in one.files:
            said.setdefault(name, Counter())[one.file_tracers.get(name, "")] += 1
    return {name: chosen(name, told, plugins) for name, told in said.items()}


def chosen(name: str, said: Counter[str], plugins: Collection[str]) -> str:
    """Return the plugin for one source, out of those that were said and how often; "" for none."""
    if len(said) == 1:
        return next(iter(said))
    if name.endswith(PYTHON) and "" in said:
        return ""
    loaded = {one: count for one, count in said.items() if one.rpartition(".")[0] in plugins}
    return max(loaded or said, key=lambda one: (bool(one), said[one]))
