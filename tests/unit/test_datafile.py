"""The data file is coverage's own, written whole or not at all, and never over somebody else's."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import CoverageData

from covattach.errors import BadUsage, ReportFailed
from covattach.reports import datafile
from covattach.reports.datafile_copy import copied
from covattach.snapshot.snapshot import Arcs, Snapshot

NO_ARCS: Arcs = {"/srv/app.py": set()}
ORIGIN = {"pid": 7, "command": "app.py 'ü'", "since": 1_700_000_000.0, "version": "0.1.0"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a program of three lines, in a folder with nothing else."""
    path = tmp_path / "app.py"
    path.write_text("a = 1\nif a:\n    b = 2\n", encoding="utf-8")
    return path


def lines(*held: int, of: Path) -> Snapshot:
    """Return a snapshot of lines of one file."""
    return Snapshot("lines", {str(of): set(held)}, {}, time.time())


def stock(folder: Path, *arguments: str) -> str:
    """Run the `coverage` command; return its output, and fail if the command does."""
    command = [sys.executable, "-m", "coverage", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(path: Path) -> CoverageData:
    """Return the data in a file."""
    data = CoverageData(basename=os.fspath(path))
    data.read()
    return data


def test_coverage_reads_what_we_write(source: Path) -> None:
    """Stock coverage reports on a file of ours, with our row in it, as on its own."""
    # GIVEN a data file of ours
    folder = source.parent
    datafile.write(lines(1, 2, of=source), folder / ".coverage", ORIGIN)

    # WHEN coverage's own commands use it
    report = stock(folder, "report")
    stock(folder, "html")

    # THEN they find the lines that ran, and the file is still ours
    assert report.splitlines()[2].split() == ["app.py", "3", "1", "67%"]
    assert (folder / "htmlcov" / "index.html").exists()
    datafile.ensure_ours(folder / ".coverage")


def test_coverage_combines_what_we_write(source: Path) -> None:
    """`coverage combine` puts files of ours together, and the result is not ours to replace."""
    # GIVEN the data files of two processes, each with another line
    folder = source.parent
    datafile.write(lines(1, of=source), folder / ".coverage.1", ORIGIN)
    datafile.write(lines(3, of=source), folder / ".coverage.2", ORIGIN)

    # WHEN coverage combines them
    stock(folder, "combine")

    # THEN both lines are there, and we would not write over them
    assert read(folder / ".coverage").lines(str(source)) == [1, 3]
    with pytest.raises(BadUsage):
        datafile.ensure_ours(folder / ".coverage")


def test_several_processes_are_one_file(source: Path) -> None:
    """The snapshots of a tree of processes add up."""
    # GIVEN snapshots of three processes in branch mode
    taken = [
        Snapshot("arcs", {str(source): {(-1, 1), (1, 2)}}, {}, 1.0),
        Snapshot("packed", {str(source): {(2, 3)}, "/srv/other.py": {(-1, 9)}}, {}, 2.0),
        Snapshot("packed", {}, {}, 3.0),
    ]

    # WHEN they are written
    path = source.parent / ".coverage"
    datafile.write(taken, path, ORIGIN)

    # THEN the file has all their arcs
    data = read(path)
    assert set(data.arcs(str(source)) or []) == {(-1, 1), (1, 2), (2, 3)}
    assert data.arcs("/srv/other.py") == [(-1, 9)]


def test_branches_and_lines_do_not_mix(source: Path) -> None:
    """Snapshots with and without branches are refused, with the way out."""
    # GIVEN one snapshot of each kind
    mixed = [lines(1, of=source), Snapshot("arcs", {str(source): {(1, 2)}}, {}, 1.0)]

    # WHEN they are written together / THEN that is refused, and nothing is written
    with pytest.raises(ReportFailed) as caught:
        datafile.write(mixed, source.parent / ".coverage", ORIGIN)
    assert "--data-file" in caught.value.remedy
    assert os.listdir(source.parent) == ["app.py"]


@pytest.mark.parametrize(
    ("taken", "has_arcs"),
    [
        ([], False),
        ([Snapshot("lines", {}, {}, 1.0)], False),
        ([Snapshot("packed", {}, {}, 1.0)], True),
        ([Snapshot("packed", NO_ARCS, {}, 1.0)], True),
    ],
    ids=["no process", "lines", "arcs", "a file without arcs"],
)
def test_nothing_is_something(taken: list[Snapshot], has_arcs: bool, tmp_path: Path) -> None:
    """A target that has not run anything yet gives a good data file."""
    # GIVEN a snapshot of nothing / WHEN it is written
    path = tmp_path / ".coverage"
    datafile.write(taken, path, ORIGIN)

    # THEN coverage reads it, it is ours, and it has the files that there are
    data = read(path)
    assert data.has_arcs() is has_arcs
    assert data.measured_files() == {name for snapshot in taken for name in snapshot.files}
    datafile.ensure_ours(path)


def test_files_that_never_ran_are_in_it(source: Path) -> None:
    """Files that never ran are listed, as coverage lists them."""
    # GIVEN a file that ran and one that did not
    path = source.parent / ".coverage"

    # WHEN they are written
    datafile.write(lines(1, of=source), path, ORIGIN, never_ran={"/srv/idle.py"})

    # THEN the second is there without lines
    assert read(path).lines("/srv/idle.py") == []


def test_plugins_are_noted(tmp_path: Path) -> None:
    """The plugin that traced a file is in the data file, and two for one file are refused."""
    # GIVEN a snapshot with a template, and another that names another plugin
    first = Snapshot("lines", {"/srv/a.html": {1}}, {"/srv/a.html": "one.Plugin"}, 1.0)
    second = Snapshot("lines", {"/srv/a.html": {2}}, {"/srv/a.html": "two.Plugin"}, 1.0)

    # WHEN the first is written / THEN the plugin is there
    datafile.write(first, tmp_path / ".coverage", ORIGIN)
    assert read(tmp_path / ".coverage").file_tracer("/srv/a.html") == "one.Plugin"

    # WHEN both are written / THEN coverage's own words say why not
    with pytest.raises(ReportFailed, match="Conflicting file tracer"):
        datafile.write([first, second], tmp_path / ".coverage", ORIGIN)


def test_the_origin_is_kept(source: Path) -> None:
    """The facts of the session can be read from the data file."""
    # GIVEN a data file of ours
    path = source.parent / ".coverage"
    datafile.write(lines(1, of=source), path, ORIGIN)

    # WHEN it is read / THEN it has the facts; other files have none
    assert datafile.origin(path) == ORIGIN
    assert datafile.origin(source) == {}
    assert datafile.origin(source.parent / "missing") == {}


def test_it_replaces_its_own(source: Path) -> None:
    """The next dump replaces the one before, with none of its lines."""
    # GIVEN a data file of ours
    path = source.parent / ".coverage"
    datafile.write(lines(1, 2, of=source), path, ORIGIN)

    # WHEN another is written
    datafile.write(lines(3, of=source), path, {**ORIGIN, "pid": 8})

    # THEN it has the new lines only, and no other file is left
    assert read(path).lines(str(source)) == [3]
    assert datafile.origin(path)["pid"] == 8
    assert sorted(os.listdir(source.parent)) == [".coverage", "app.py"]


def make_foreign(kind: str, path: Path) -> None:
    """Put something at `path` that is not ours."""
    if kind == "text":
        path.write_text("notes\n", encoding="utf-8")
    elif kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "coverage's":
        CoverageData(basename=os.fspath(path)).add_lines({"/srv/app.py": {1}})
    elif kind == "other database":
        with sqlite3.connect(path) as database:
            database.execute("create table meta (key, value)")
        database.close()
    elif kind == "link":
        datafile.write([], path.parent / "elsewhere", ORIGIN)
        path.symlink_to("elsewhere")
    else:
        path.symlink_to("missing")


@pytest.mark.parametrize(
    "kind",
    ["text", "empty", "folder", "pipe", "coverage's", "other database", "link", "dangling link"],
)
def test_what_is_not_ours_is_refused(kind: str, tmp_path: Path) -> None:
    """Nothing of somebody else's is written over; the remedy is --data-file."""
    # GIVEN something else where the data file would go
    path = tmp_path / ".coverage"
    make_foreign(kind, path)
    before = os.lstat(path)

    # WHEN a data file is written there / THEN it is refused, and nothing has changed
    with pytest.raises(BadUsage) as caught:
        datafile.write([], path, ORIGIN)
    assert "--data-file" in caught.value.remedy
    after = os.lstat(path)
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "missing").exists()


def test_what_others_have_added_is_not_lost(source: Path) -> None:
    """A file of ours that `coverage run --append` has added to is not ours any more."""
    # GIVEN a data file of ours, to which coverage has added lines
    path = source.parent / ".coverage"
    datafile.write(lines(1, of=source), path, ORIGIN)
    stock(source.parent, "run", "--append", "app.py")
    assert datafile.origin(path) == ORIGIN

    # WHEN it would be replaced / THEN that is refused
    with pytest.raises(BadUsage, match="holds data that covattach has not put there"):
        datafile.write([], path, ORIGIN)


def interrupted_by(error: type[BaseException], path: Path, held: list[int]) -> Iterator[str]:
    """Yield a file name, count the rows that a reader sees meanwhile, and raise `error`."""
    yield "/srv/idle.py"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as database:
        held.append(database.execute("select count(*) from line_bits").fetchone()[0])
    database.close()
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_an_interrupted_write_changes_nothing(error: type[BaseException], source: Path) -> None:
    """Ctrl-C or a failure half-way leaves the old data file, and nothing beside it."""
    # GIVEN a data file of ours
    path = source.parent / ".coverage"
    datafile.write(lines(1, 2, of=source), path, ORIGIN)
    before = path.read_bytes()
    held: list[int] = []

    # WHEN the next one is interrupted
    with pytest.raises((error, ReportFailed)):
        datafile.write([], path, ORIGIN, interrupted_by(error, path, held))

    # THEN a reader has found the old one all the time, and finds nothing else now
    assert held == [1]
    assert path.read_bytes() == before
    assert sorted(os.listdir(source.parent)) == [".coverage", "app.py"]


def test_a_place_that_cannot_be_written_to_is_named(source: Path) -> None:
    """Where the data file cannot be, the error says so, with the remedy."""
    # GIVEN a path below a file
    path = source / ".coverage"

    # WHEN a data file is written there / THEN that fails with one sentence
    with pytest.raises(ReportFailed, match="cannot be written") as caught:
        datafile.write([], path, ORIGIN)
    assert "--data-file" in caught.value.remedy


def test_folders_are_made(tmp_path: Path) -> None:
    """Folders on the way to the data file are made, as coverage makes them."""
    # GIVEN no folder / WHEN a data file is written into it, by a name that the system knows, too
    path = Path(f"/{tmp_path}") / "new" / "er" / ".coverage"
    datafile.write([], path, ORIGIN)

    # THEN it is there
    datafile.ensure_ours(path)


def test_the_mode_is_the_users(tmp_path: Path) -> None:
    """A new file has the mode that coverage's would have; one that is replaced keeps its own."""
    # GIVEN a user's umask
    path, theirs = tmp_path / ".coverage", tmp_path / "theirs"
    before = os.umask(0o027)
    try:
        CoverageData(basename=os.fspath(theirs)).add_lines({"/srv/app.py": {1}})

        # WHEN a data file is written / THEN its mode is that of coverage's
        datafile.write([], path, ORIGIN)
        assert path.stat().st_mode == theirs.stat().st_mode

        # WHEN it is made private and replaced / THEN it stays private
        path.chmod(0o600)
        datafile.write([], path, ORIGIN)
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_reports_are_remembered(source: Path) -> None:
    """The reports made from a data file are known to the next one in its place."""
    # GIVEN a data file, and a report that was made from it
    path, report = source.parent / ".coverage", source.parent / "coverage.xml"
    report.write_text("<coverage/>", encoding="utf-8")
    datafile.write(lines(1, of=source), path, ORIGIN)
    with copied(path) as copy:
        assert copy
        datafile.remember(path, copy, {report: datafile.digest_of_file(report)})

    # WHEN the data file is replaced
    datafile.write(lines(2, of=source), path, ORIGIN)

    # THEN the report is still known, by its digest
    assert datafile.remembered(path) == {str(report): datafile.digest_of_file(report)}


@pytest.mark.parametrize("note", ["", "nonsense", "[]", "3", '{"origin": 3, "outputs": []}'])
def test_a_damaged_note_is_no_note(note: str, tmp_path: Path) -> None:
    """A row of ours that others have written over does not make the file ours."""
    # GIVEN a data file with a damaged row
    path = tmp_path / ".coverage"
    datafile.write([], path, ORIGIN)
    with sqlite3.connect(path) as database:
        database.execute("update meta set value = ? where key = 'covattach'", (note,))
    database.close()

    # WHEN it is asked / THEN it says nothing, and is not ours
    assert datafile.origin(path) == {}
    assert datafile.remembered(path) == {}
    with pytest.raises(BadUsage):
        datafile.ensure_ours(path)


@pytest.mark.parametrize("name", ["a b", "100%", "#1?mode=rw", "Grüße", "a\nb", ":memory:"])
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    """The name of the data file may have letters that mean something to sqlite or a URI."""
    # GIVEN such a name / WHEN a data file is written, twice
    for pid in (1, 2):
        datafile.write([], tmp_path / name, {"pid": pid})

    # THEN it is there under that name, and nothing else
    assert datafile.origin(tmp_path / name) == {"pid": 2}
    assert os.listdir(tmp_path) == [name]


def test_a_journal_beside_it_is_left_alone(source: Path) -> None:
    """Looking at a file changes nothing, even where sqlite would roll something back."""
    # GIVEN a data file of ours with a journal beside it
    path = source.parent / ".coverage"
    datafile.write(lines(1, of=source), path, ORIGIN)
    journal = source.parent / ".coverage-journal"
    journal.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(1016))

    # WHEN it is looked at
    datafile.ensure_ours(path)

    # THEN both are as they were
    assert journal.stat().st_size == 1024
    assert json.dumps(datafile.origin(path)) == json.dumps(ORIGIN)
