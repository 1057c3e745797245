"""Reports of sources that were exchanged after they were loaded."""

from __future__ import annotations

import ast
import os
import py_compile
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import ticks, wait_for

from covattach.reports import loaded_texts, text_fit
from covattach.reports.folder_exchanges import NOT, SURELY, Exchanges
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.snapshot.snapshot import Snapshot

COARSE = 5  # the clock that files have their times from (clock_gettime(2), CLOCK_REALTIME_COARSE)
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
    load = ImportedModule(False, None, False, sys.version_info[:2], 0, "f", "1")
    snapshot = Snapshot(
        "lines",
        {str(path): {2, 3}},
        {},
        noted,
        loads=ImportedModules(began, {str(path): frozenset([load])}, noted),
    )

    # WHEN a new release of it is put in place, and a new worker compiles that
    while path.stat().st_ctime <= noted:
        path.write_text(NEW)
    py_compile.compile(str(path), invalidation_mode=mode)

    # THEN it is not taken for the loaded text
    assert loaded_texts.look([snapshot], noted, str)[str(path)].state == loaded_texts.CHANGED


MAIN = """\
import answering
import store
answering.in_thread(globals())
answering.threading.Event().wait()
"""
STORE = "import os\n\n\nclass Store:\n    def price(self):\n        return 1\n"


def by_link(root: Path) -> None:
    """Point the link elsewhere, as a deployment does."""
    (root / "new").symlink_to(root / "next")
    os.replace(root / "new", root / "current")


def by_rename(root: Path) -> None:
    """Move the folders, and leave traces of a further import."""
    (root / "first").rename(root / "old")
    (root / "next").rename(root / "first")
    (root / "first" / "__pycache__").mkdir()


@pytest.mark.pythons("3.11")
@pytest.mark.parametrize("exchange", [by_link, by_rename])
def test_a_folder_exchanged_before_the_attach(
    interpreter: Interpreter,
    exchange: Callable[[Path], None],
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """Files of another release, older than the process, are not taken for those that it runs."""
    # GIVEN two releases that are there before the process that runs the first one
    for name, text in (("first", STORE), ("next", "# next\n" + STORE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "store.py").write_text(text)
        (tmp_path / name / "main.py").write_text(MAIN)
    (tmp_path / "current").symlink_to(tmp_path / "first")
    made = ticks()
    wait_for(lambda: ticks() > made + 4, "a process that is newer than the files")
    where = tmp_path / ("current" if exchange is by_link else "first")
    path = {"PYTHONPATH": f"{where}:{interpreter.site}", "PYTHONDONTWRITEBYTECODE": "1"}
    target = launch(interpreter, "-m", "main", bare=True, env=path)
    assert target.ask("store.Store().price()") == 1

    # WHEN the other one is put in its place, and the process is measured
    exchange(tmp_path)
    covattach("start", target.pid, "--include", f"{tmp_path}/*")
    assert target.ask("store.Store().price()") == 1
    warning = covattach("dump", target.pid).line("Warning: Changed")

    # THEN the file that differs is named, and the one that does not is not
    assert "store.py" in warning
    assert "main.py" not in warning
    covattach("stop", target.pid, "--no-dump")


def exchange_folders(root: Path) -> None:
    """Move the folder that a link leads to, and put the other one into its place."""
    (root / "first").rename(root / "old")
    (root / "next").rename(root / "first")


def point_elsewhere(root: Path) -> None:
    """Point a link elsewhere that another link leads to."""
    (root / "new").symlink_to("next")
    os.replace(root / "new", root / "live")


@pytest.mark.parametrize(
    ("exchange", "found"),
    [(exchange_folders, SURELY), (point_elsewhere, SURELY), (str, NOT)],
)
def test_what_links_lead_to(tmp_path: Path, exchange: Callable[[Path], None], found: int) -> None:
    """A folder that a link leads to is exchanged like any other, and so are links to links."""
    for name in ("first", "next"):
        (tmp_path / name / "shop").mkdir(parents=True)
        (tmp_path / name / "shop" / "a.py").write_text(OLD)
    (tmp_path / "live").symlink_to("first")
    (tmp_path / "current").symlink_to(tmp_path / "live")
    (tmp_path / "here").symlink_to("there")
    (tmp_path / "there").symlink_to("here")
    since = time.time()
    wait_for(lambda: time.clock_gettime(COARSE) > since, "a later time of files")
    exchange(tmp_path)
    assert Exchanges(since).of(str(tmp_path / "current" / "shop" / "a.py")) == found
    assert Exchanges(since + 1).of(str(tmp_path / "here" / "a.py")) == NOT


def test_a_comment_sign_in_a_string() -> None:
    """A line of a string that looks like a comment does not make a source another one."""
    code = 'def f(x):\n    return f"""\n# {x}\n\n"""\n'
    load = ImportedModule(False, None, False, sys.version_info[:2], 0, "f", "1")
    assert text_fit.fits(ast.parse(code), code, [load], {2, 3})
    assert text_fit.fits(ast.parse(code), code, [load], {6}) is False
