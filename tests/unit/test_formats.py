"""Single-file reports mark the lines that ran at import, and count them as told."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from covattach.reports import datafile, render
from covattach.reports.results import Report
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.snapshot.snapshot import Snapshot

CODE = """\
import os
if os.environ.get("x"):
    a = 1
def f():
    return 1
def g():
    return 2
last = 1
"""
AT_IMPORT, UNDECIDED, RAN, NEVER = {1, 2, 4, 6, 8}, {3}, {5}, {7}


def made(folder: Path, how: str | None, branch: bool = False) -> Report:
    """Make reports of a module that was imported before the attach, and of which a function ran."""
    source = folder / "unit.py"
    source.write_text(CODE)
    load = ImportedModule(False, None, False, (3, 11), 0, "os f g last", "4 6")
    files: Any = {str(source): {(-4, 5), (5, -4)} if branch else RAN}
    loads = ImportedModules(2e9, {str(source): frozenset({load})}, 2e9)
    snapshot = Snapshot("arcs" if branch else "lines", files, {}, 2e9, loads=loads)
    datafile.write(snapshot, folder / ".coverage", {})
    given = {"imports": how} if how else {}
    formats = {"json", "xml", "lcov", "text"}
    return render.render(
        folder / ".coverage", html=None, formats=formats, settings={}, cwd=folder, **given
    )


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize("how", [None, "missing", "executed", "excluded"])
def test_lines_that_ran_at_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str | None, branch: bool
) -> None:
    """Each format counts them as asked; the percentage of the facts is coverage's all the same."""
    # GIVEN a module of which five lines ran at import / WHEN reports are made
    monkeypatch.chdir(tmp_path)
    report = made(tmp_path, how, branch)

    # THEN JSON tells them apart, however they are counted
    told = json.loads(report.outputs["json"].read_text())
    (facts,) = told["files"].values()
    assert set(facts["import_lines"]) == AT_IMPORT
    assert set(facts["undecided_lines"]) == UNDECIDED
    assert told["totals"]["import_lines"] == facts["summary"]["import_lines"] == len(AT_IMPORT)
    assert told["meta"]["imports"] == (how or "missing")

    # AND all formats count them as asked
    ran = RAN | AT_IMPORT if how == "executed" else RAN
    lines = ran | NEVER | UNDECIDED | (set() if how == "excluded" else AT_IMPORT)
    assert set(facts["executed_lines"]) == ran
    assert set(facts["missing_lines"]) == lines - ran
    assert set(facts["excluded_lines"]) == (AT_IMPORT if how == "excluded" else set())
    root = ElementTree.parse(report.outputs["xml"]).getroot()  # noqa: S314 - just written
    hits = {int(one.get("number", 0)): one.get("hits") for one in root.iter("line")}
    assert hits == {line: "1" if line in ran else "0" for line in lines}
    lcov = report.outputs["lcov"].read_text().splitlines()
    assert {one for one in lcov if one.startswith("DA:")} == {
        f"DA:{line},{int(line in ran)}" for line in lines
    }
    assert f" {len(lines)} " in report.outputs["text"].read_text()

    # AND the command gives coverage's plain figure
    assert (report.statements, report.lines) == (8, 1)
    assert report.percent == pytest.approx(100 * 1 / (10 if branch else 8))
