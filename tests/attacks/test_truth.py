"""Reports of sources that were exchanged after they were loaded."""

from __future__ import annotations

import py_compile
import sys
import time
from pathlib import Path

import pytest

from covattach.reports import texts
from covattach.reports.loads import Load, Loads
from covattach.reports.snapshot import Snapshot

OLD = "def f(x):\n    if x:\n        return 1\n    return 2\n"
NEW = "def f(x):\n    if not x:\n        launch()\n    return 2\n"


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_a_source_exchanged_after_the_attach(
    tmp_path: Path, mode: py_compile.PycInvalidationMode, compiled: bool
) -> None:
    """An exchanged source has changed, though compiled anew, with functions at the same lines."""
    # GIVEN a process whose agent has told that it loaded a source
    path = tmp_path / "a.py"
    path.write_text(OLD)
    if compiled:
        py_compile.compile(str(path), invalidation_mode=mode)
    began = path.stat().st_mtime - 100
    noted = time.time()
    load = Load(False, None, False, sys.version_info[:2], 0, "f", "1")
    snapshot = Snapshot(
        "lines",
        {str(path): {2, 3}},
        {},
        noted,
        loads=Loads(began, {str(path): frozenset([load])}, noted),
    )

    # WHEN a new release of it is put in place, and a new worker compiles that
    while path.stat().st_ctime <= noted:
        path.write_text(NEW)
    py_compile.compile(str(path), invalidation_mode=mode)

    # THEN it is not taken for the loaded text
    assert texts.look([snapshot], noted, str)[str(path)].state == texts.CHANGED
