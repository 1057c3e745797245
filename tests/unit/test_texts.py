"""Sources compared with those that were loaded: by times, by a .pyc, by fit with the module."""

from __future__ import annotations

import ast
import os
import py_compile
import sys
import time
from pathlib import Path

import pytest

from covattach.reports import loaded_texts, text_fit
from covattach.snapshot.imported_modules import ImportedModule, ImportedModules
from covattach.snapshot.snapshot import Snapshot

CODE = "a = 1\ndef f():\n    return a\n"
HERE = sys.version_info[:2]
LOAD = ImportedModule(False, None, False, HERE, 0, "a f", "2")


def state(path: Path, began: float, noted: float, load: ImportedModule | None = LOAD) -> str:
    """Return the state of a source that a process, between these times, has loaded."""
    held = {str(path): frozenset([load])} if load else {"other": frozenset([LOAD])}
    loads = ImportedModules(began, held, noted)
    snapshot = Snapshot("lines", {str(path): {3}}, {}, noted, loads=loads)
    return loaded_texts.look([snapshot], noted if load else began, str)[str(path)].state


def test_times(tmp_path: Path) -> None:
    """A source older than the process is the same; one newer than the look has changed."""
    path = tmp_path / "a.py"
    path.write_text(CODE)
    now = time.time() + 1
    assert state(path, now, now) == loaded_texts.SAME
    assert state(path, now - 100, now) == loaded_texts.PERHAPS
    assert state(path, now - 100, now - 50) == loaded_texts.CHANGED
    assert state(path, now - 100, now - 50, load=None) == loaded_texts.PERHAPS  # imported meanwhile
    os.utime(path, (1e9, 1e9))  # moved here, with an older time
    assert state(path, now - 100, now - 50) == loaded_texts.CHANGED


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_compiled_files(tmp_path: Path, mode: py_compile.PycInvalidationMode) -> None:
    """A .pyc that was written meanwhile says which text was compiled, by its time or by a hash."""
    path = tmp_path / "a.py"
    path.write_text(CODE)
    py_compile.compile(str(path), invalidation_mode=mode)
    now = time.time() + 1
    assert state(path, now - 100, now) == loaded_texts.PERHAPS
    assert state(path, now - 100, now, load=None) in (loaded_texts.SAME, loaded_texts.LIKELY)
    path.write_text(CODE + "b = 1\n")
    assert state(path, now - 100, now) == loaded_texts.CHANGED
    assert state(path, now - 100, now, load=None) == loaded_texts.CHANGED


@pytest.mark.parametrize(
    ("code", "names", "lines", "ran", "does_fit"),
    [
        (CODE, "a f", "2", {3}, True),
        (CODE, "f", "", {3}, False),
        ("# new\n" + CODE, "a f", "2", {3}, False),
        ("a = 1\nb = 1\n", "a b", "", set(), True),
        ("a = 1\nb = 1\n", "a", "", set(), False),
        ("a = 1\nb = 1\nc = 1\n", "a b c", "", {4}, False),
        ("a = 1\n\nb = 1\n", "a b", "", {2}, False),
        ("print()\n", "", "", set(), False),
        ("f = lambda: 1\n", "f", "1", {1}, True),
    ],
)
def test_what_fits(code: str, names: str, lines: str, ran: set[int], does_fit: bool) -> None:
    """A source fits a module whose functions begin where it has some, and that has its names."""
    load = LOAD._replace(names=names, lines=lines)
    assert bool(text_fit.fits(ast.parse(code), code, [load], ran)) is does_fit


def test_what_fits_lines() -> None:
    """The lines that ran have to fit a source that was imported while measured."""
    assert text_fit.fits(ast.parse(CODE), CODE, [], {1, 2, 3})
    assert not text_fit.fits(ast.parse(CODE), CODE, [], {3})
    other = "a = 1\nb = 1\nc = 1\n"
    assert not text_fit.fits(ast.parse(other), other, [], {1, 3})


@pytest.mark.parametrize(
    "line",
    [
        "def f{}(): return 1",
        "f{} = lambda: 1",
        "@g(lambda: 1)\ndef f{}():\n    pass",
        "def f{}(a: int):\n    pass",
    ],
)
def test_lines_that_run_again(line: str) -> None:
    """A line with a function in it runs without those between when that is called."""
    code = "\n".join(map(line.format, "abc"))
    height = line.count("\n") + 1
    assert text_fit.fits(ast.parse(code), code, [], {1, 2 * height + 1}) is not False


def test_a_release_between_two_workers(tmp_path: Path) -> None:
    """A source has changed for a worker that had loaded it before, though not for a later one."""
    path = tmp_path / "a.py"
    path.write_text(CODE.replace("return", "return not"))
    py_compile.compile(str(path))
    now = time.time() + 1

    def told(noted: float) -> Snapshot:
        loads = ImportedModules(now - 100, {str(path): frozenset([LOAD])}, noted)
        return Snapshot("lines", {str(path): {3}}, {}, noted, loads=loads)

    def states(*snapshots: Snapshot) -> str:
        return loaded_texts.look(snapshots, now - 100, str)[str(path)].state

    assert states(told(now - 50), told(now)) == loaded_texts.CHANGED
    assert states(told(now)) == loaded_texts.PERHAPS


def test_a_form_feed_ends_no_line() -> None:
    """Lines are told from comments as Python counts them."""
    code = "\f\nb = 1\n# a\n"
    assert text_fit.fits(ast.parse(code), code, [], {3}) is False
    assert text_fit.fits(ast.parse(code), code, [], {2})


def test_two_releases(tmp_path: Path) -> None:
    """Two different texts that are one file in reports have changed."""
    for name, code in (("one.py", CODE), ("two.py", CODE + "b = 1\n"), ("three.py", CODE)):
        (tmp_path / name).write_text(code)

    def together(*names: str) -> str:
        files: dict[str, set[int]] = {str(tmp_path / name): {1} for name in names}
        snapshot = Snapshot("lines", files, {}, 1.0)
        return loaded_texts.look([snapshot], time.time() + 1, lambda name: "here")["here"].state

    assert together("one.py", "three.py") == loaded_texts.SAME
    assert together("one.py", "two.py") == loaded_texts.CHANGED
