"""Snapshots of several processes: the word of one takes away nothing that others have told."""

from __future__ import annotations

from pathlib import Path

from covattach.reports import datafile
from covattach.reports.agreement import MIXED, agreed
from covattach.snapshot.snapshot import Snapshot

LINES = Snapshot("lines", {"/a.py": {1, 2}}, {}, 1.0)
ARCS = Snapshot("arcs", {"/a.py": {(-1, 3), (3, 4), (4, -1)}}, {}, 1.0, windows={"w": {}})
TEMPLATE = "/page.html"


def kinds(*snapshots: Snapshot, begun: list[bool]) -> tuple[list[Snapshot], list[str]]:
    """Return the snapshots as they can be in one file, and the warnings."""
    warnings: list[str] = []
    return agreed(snapshots, begun, (), warnings), warnings


def tracers(*said: tuple[str, dict[str, str]], plugins: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the plugins of files, of each of which a process says that it ran, and by which."""
    snapshots = [Snapshot("lines", {name: {1}}, told, 1.0) for name, told in said]
    found = agreed(snapshots, [False] * len(snapshots), plugins, [])
    return {name: plugin for one in found for name, plugin in one.file_tracers.items()}


def test_arcs_where_nobody_was_begun_with_branches() -> None:
    """Arcs of a process that should have none count as lines."""
    found, warnings = kinds(LINES, ARCS, begun=[False, False])
    assert [one.files for one in found] == [{"/a.py": {1, 2}}, {"/a.py": {3, 4}}]
    assert [one.branch for one in found] == [False, False]
    assert warnings == []


def test_lines_where_all_were_begun_with_branches() -> None:
    """One that hides its branches is left out, and the others have theirs."""
    found, warnings = kinds(ARCS, LINES, begun=[True, True])
    assert found == [ARCS]
    assert warnings == ["What ran in 1 process that tells no branches, and should, is left out"]


def test_some_were_begun_with_branches() -> None:
    """Where both are true, the report has the lines of all, and says so."""
    found, warnings = kinds(ARCS, LINES, begun=[True, False])
    assert [one.files for one in found] == [{"/a.py": {3, 4}}, {"/a.py": {1, 2}}]
    assert warnings == [MIXED]


def test_plugins() -> None:
    """Python is Python if anybody says so; of other sources, a plugin that is loaded counts."""
    assert tracers(("/a.py", {}), ("/a.py", {"/a.py": "theirs.Plugin"})) == {}
    assert tracers(("/a.py", {"/a.py": "p.P"}), ("/a.py", {"/a.py": "p.P"})) == {"/a.py": "p.P"}
    liars = [(TEMPLATE, {TEMPLATE: "theirs.Plugin"})] * 2 + [(TEMPLATE, {})] * 3
    honest = (TEMPLATE, {TEMPLATE: "templates.Plugin"})
    assert tracers(*liars, honest, plugins=("templates",)) == {TEMPLATE: "templates.Plugin"}
    assert tracers((TEMPLATE, {}), honest) == {TEMPLATE: "templates.Plugin"}


def test_plugins_of_other_sources(tmp_path: Path) -> None:
    """A plugin for a source that the process has not run does not keep the file from being made."""
    one = Snapshot("lines", {"/a.py": {1}}, {"/b.html": "templates.Plugin"}, 1.0)
    datafile.write(agreed([one], [False], (), []), tmp_path / ".coverage", {})
    assert (tmp_path / ".coverage").exists()
