"""Root reports into folders of another user's, who leaves things there, before and meanwhile.

Whatever that user does, root writes, changes and removes nothing that they could not themselves,
and shows nothing that they say.  Only root can be several users: these tests need it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, open_to_all

from covattach.attach import coverage_packages
from covattach.errors import CovattachError, NotPossible
from covattach.process.owner import Owner, as_owner
from covattach.reports import datafile, render
from covattach.reports.results import Report
from covattach.snapshot.snapshot import Snapshot

NOBODY = 65534
THEM = Owner(NOBODY, NOBODY)
SOURCE = "def choose():\n    return 1\n\n\nchoose()\n"
NAMES = {
    "coverage.xml": "xml",
    "coverage.json": "json",
    "coverage.lcov": "lcov",
    "coverage.txt": "text",
    "coverage.md": "markdown",
}
FORMATS = set(NAMES.values())
PAGES = ["index.html", "shop_py.html", "function_index.html", "status.json", ".gitignore"]
MARKER = "The HTML report in this folder is covattach's, which replaces it with the next one.\n"
DATA = [".coverage", ".coverage-journal", ".coverage-wal", ".coverage-shm"]
# Exchanges, each at one stroke and for ever: the folder of the report and a link to another one;
# what is in it, the other outputs and what root is just making, and links to what is in that one.
RACE = """
import contextlib, ctypes, os, sys
precious, *names = sys.argv[1:]
libc = ctypes.CDLL(None)

def exchange(one, other):
    libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)

os.symlink(precious, "link")
for number, name in enumerate(names):
    os.symlink(os.path.join(precious, os.path.basename(name)), f"link{number}")
print("ready", flush=True)
while True:
    for number, name in enumerate(names):
        exchange(name, f"link{number}")
        exchange(name, f"link{number}")
        exchange("htmlcov", "link")
        exchange("htmlcov", "link")
        folder = os.path.dirname(name) or "."
        with contextlib.suppress(OSError):
            for one in os.listdir(folder):
                if one.startswith(".covattach-"):
                    exchange(os.path.join(folder, one), "link0")
                    exchange(os.path.join(folder, one), "link0")
"""


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Make a folder of root's, with files of the names that outputs have, and a folder."""
    assert os.geteuid() == 0, "only root can be several users"
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in [*NAMES, *PAGES, *DATA, ".covattach", "super"]:
        (folder / name).write_text("precious\n")
        (folder / name).chmod(0o600)
    (folder / "inner").mkdir()
    return folder


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder of nobody's, the user, with a program; root is in there."""
    with open_to_all() as outside:
        folder = outside / "app"
        folder.mkdir()
        (folder / "shop.py").write_text(SOURCE)
        os.chown(folder, NOBODY, NOBODY)
        monkeypatch.chdir(folder)
        yield folder


def state(folder: Path) -> dict[str, Any]:
    """Return the contents and metadata of a folder and all below it, but for times of reading."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        facts = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else os.listdir(path)
        named = (facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns)
        found[str(path)] = (named, content)
    return found


def dump(source: Path, data_file: str = ".coverage") -> None:
    """Write a data file, as root would."""
    snapshot = Snapshot("lines", {str(source): {1, 5}}, {}, time.time())
    datafile.write(snapshot, Path(data_file).absolute(), {"since": time.time() + 60})


def report(
    source: Path, formats: set[str] = FORMATS, html: str = "htmlcov", **settings: Any
) -> Report:
    """Write a data file and reports, as root would."""
    dump(source)
    return render.render(
        Path(".coverage").absolute(),
        html=Path(html).absolute() if html else None,
        formats=formats,
        settings={name.replace("__", ":"): value for name, value in settings.items()},
        cwd=source.parent,
    )


def attempt(source: Path, **how: Any) -> str:
    """Report, which may be refused; return how that was said."""
    try:
        report(source, **how)
    except CovattachError as error:
        return error.message
    return ""


def give(folder: Path) -> None:
    """Give a folder and all below it to NOBODY."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def plant(kind: str, path: Path, leads: Path) -> None:
    """Put something into the place of an output, as the user or on their behalf."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    if kind == "hard link":
        os.link(leads, path)  # they could, where fs.protected_hardlinks is off
        return
    with as_owner(THEM):
        if kind == "link":
            path.symlink_to(leads)
        elif kind == "dangling link":
            path.symlink_to(leads.parent / "inner" / "new")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        else:
            path.mkdir()


@pytest.mark.pythons("3.14")
def test_the_case(
    interpreter: Interpreter,
    launch: Launch,
    covattach: Covattach,
    theirs: Path,
    precious: Path,
) -> None:
    """A dump into a folder full of their links is refused, with one sentence and one remedy."""
    # GIVEN a measured target, in whose folder everything that a report would write to is a link
    shutil.copy(TARGETS / "idle.py", theirs)
    target = launch(interpreter, theirs / "idle.py", "sleep", cwd=theirs)
    (theirs / "htmlcov").mkdir()
    os.chown(theirs / "htmlcov", NOBODY, NOBODY)
    for name in (*PAGES, ".covattach"):
        plant("link", theirs / "htmlcov" / name, precious / name)
    before = state(precious)

    # WHEN root starts, dumps and stops there
    covattach("start", target.pid, cwd=theirs)
    said = covattach.fails(2, "dump", target.pid, cwd=theirs)
    covattach("stop", target.pid, "--no-dump", cwd=theirs)

    # THEN nothing of root's is changed
    assert "covattach has not put them there" in said
    assert state(precious) == before


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe", "socket", "folder"])
def test_things_in_the_place_of_outputs(kind: str, theirs: Path, precious: Path) -> None:
    """No output is written through a link or file in its place, and no pipe is waited for."""
    # GIVEN their folder of a report, which looks like one of ours, with something else in it
    before = state(precious)
    with as_owner(THEM):
        (theirs / "htmlcov").mkdir()
        (theirs / "htmlcov" / ".covattach").write_text(MARKER)
    for name in PAGES:
        plant(kind, theirs / "htmlcov" / name, precious / name)

    # WHEN root reports into it
    attempt(theirs / "shop.py", formats={"html"})
    assert state(precious) == before

    # AND each of the other outputs has something in its place
    for name in [*NAMES, *DATA]:
        plant(kind, theirs / name, precious / name)
        attempt(theirs / "shop.py", html="", formats={NAMES[name]} if name in NAMES else set())
        shutil.rmtree(theirs / name) if kind == "folder" else (theirs / name).unlink(
            missing_ok=True
        )

    # THEN nothing has changed elsewhere, and nothing is left behind here
    assert state(precious) == before
    assert not [name for name in os.listdir(theirs) if name.startswith(".covattach-")]


def test_a_race_for_everything(theirs: Path, precious: Path) -> None:
    """A user who swaps paths for ever gets root to write only where they could themselves."""
    # GIVEN a report of theirs, and them at work
    report(theirs / "shop.py", formats={"html"})
    give(theirs)
    before = state(precious)
    inside = [f"htmlcov/{name}" for name in PAGES]
    words = ["/usr/bin/python3", "-c", RACE, precious, *NAMES, *DATA, *inside]
    said = []
    with subprocess.Popen(words, user=NOBODY, group=NOBODY, stdout=subprocess.PIPE) as them:
        assert them.stdout is not None
        assert them.stdout.readline() == b"ready\n"

        # WHEN root reports again and again
        try:
            for turn in range(16):
                how: dict[str, Any] = {"html": ""} if turn % 2 else {"formats": {"html"}}
                said.append(attempt(theirs / "shop.py", **how))
        finally:
            them.kill()

    # THEN nothing has changed elsewhere, whether it was refused or made
    assert state(precious) == before
    assert "" in said, said


@pytest.mark.parametrize("what", ["empty", "with a file"])
@pytest.mark.parametrize(
    ("name", "whose"),
    [("htmlcov", "theirs"), ("out", "theirs"), ("htmlcov", "a group's"), ("out", "a group's")],
)
def test_folders_of_roots_that_they_rename(name: str, whose: str, what: str, theirs: Path) -> None:
    """A folder of root's in theirs, which they may rename, does not become that of a report."""
    # GIVEN such a folder, and they give it the name that root is going to write to
    inner = theirs / "inner"
    inner.mkdir(mode=0o755)
    if what == "with a file":
        (inner / "file").write_text("precious\n")
    facts = inner.stat()
    if whose == "a group's":
        os.chown(theirs, 0, NOBODY)
        theirs.chmod(0o2775)
    with as_owner(THEM):
        inner.rename(theirs / name)
    held = os.open(theirs / name, os.O_RDONLY)

    # WHEN root reports into it, or into one in it
    attempt(theirs / "shop.py", html="htmlcov" if name == "htmlcov" else "out/htmlcov")

    # THEN its contents are the same
    assert os.listdir(held) == (["file"] if what == "with a file" else [])
    assert os.fstat(held).st_mtime_ns == facts.st_mtime_ns
    os.close(held)


def test_folders_on_the_way(theirs: Path, precious: Path) -> None:
    """A link of theirs on the way leads nowhere, and folders that are missing are made theirs."""
    before = state(precious)
    with as_owner(THEM):
        (theirs / "out").symlink_to(precious)
    said = attempt(theirs / "shop.py", html="out/htmlcov")
    assert "symbolic link that others may have put there" in said
    assert state(precious) == before

    # Where there is none, they are made, and are theirs.
    (theirs / "out").unlink()
    report(theirs / "shop.py", html="out/htmlcov")
    owners = {(theirs / name).stat().st_uid for name in ("out", "out/htmlcov")}
    assert owners == {NOBODY}
    assert (theirs / "out" / "htmlcov" / "index.html").stat().st_uid == 0


def journal(leads: Path) -> bytes:
    """Return a journal by which sqlite removes a file when it opens a database beside it.

    That is a "super-journal", of a transaction over several databases (sqlite's pager.c).
    """
    magic = bytes.fromhex("d9d505f920a163d7")
    name = os.fsencode(leads)
    header = magic + struct.pack(">5I", 0, 0, 1, 512, 4096)
    end = struct.pack(">I", 0x40000000 // 4096 + 1) + name
    end += struct.pack(">2I", len(name), sum(name) & 0xFFFFFFFF) + magic
    return header.ljust(512, b"\0") + end


def test_a_journal_beside_the_data_file(theirs: Path, precious: Path) -> None:
    """A journal in their folder has nothing of root's removed, and changes no data of root's."""
    # GIVEN a journal that sqlite obeys
    before = state(precious)
    with as_owner(THEM):
        (theirs / "db").write_bytes(b"")
        (theirs / ".coverage-journal").write_bytes(journal(precious / "super"))

    # WHEN root writes and reports
    made = report(theirs / "shop.py")

    # THEN the data is root's, and nothing is removed elsewhere
    assert made.lines == 2
    assert state(precious) == before
    assert datafile.origin(theirs / ".coverage")


def forge(path: Path, **note: Any) -> None:
    """Write a data file of theirs that says that it is ours."""
    datafile.write(Snapshot("lines", {"/srv/app.py": {1}}, {}, time.time()), path, {})
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (text,) = database.execute("select value from meta where key = 'covattach'").fetchone()
        text = json.dumps({**json.loads(text), **note})
        database.execute("update meta set value = ? where key = 'covattach'", (text,))
    os.chown(path, NOBODY, NOBODY)


def test_what_their_data_file_remembers(theirs: Path, precious: Path) -> None:
    """Their data file cannot say of a file of root's that it is a report to be replaced."""
    # GIVEN a data file that says so
    path = precious / "coverage.xml"
    known = {str(path): datafile.digest_of_file(path)}
    forge(theirs / ".coverage", outputs=known)
    before = state(precious)

    # WHEN root makes its report there
    said = attempt(theirs / "shop.py", formats={"xml"}, html="", xml__output=str(path))

    # THEN it is refused, also the next time, when the data file is root's
    assert "is not a report of this data file" in said
    assert attempt(theirs / "shop.py", formats={"xml"}, html="", xml__output=str(path)) == said
    assert state(precious) == before


@pytest.mark.parametrize("how", ["endless", "deep", "large"])
def test_their_data_file_takes_no_time(how: str, theirs: Path) -> None:
    """A data file that never ends, or is very deep or large, is not ours, and is soon known."""
    # GIVEN such a file
    with as_owner(THEM), contextlib.closing(sqlite3.connect(".coverage")) as database, database:
        forever = "with recursive n(x) as (select 1 union all select x+1 from n) "
        if how == "endless":
            select = "select 'covattach' key, x value from n where x < 0"
            database.execute(f"create view meta as {forever}{select}")
        else:
            database.execute("create table meta (key text, value text)")
            value = "[" * 1_000_000 if how == "deep" else "[]"
            database.execute("insert into meta values ('covattach', ?)", (value,))
    if how == "large":
        with as_owner(THEM):
            os.truncate(".coverage", 1 << 40)

    # WHEN root writes there / THEN it is refused
    assert "covattach has not written it" in attempt(theirs / "shop.py")


def test_their_notes_say_nothing(theirs: Path) -> None:
    """Another user's `status.json` and pages are in no report of root's."""
    # GIVEN a report of theirs, of the same data, whose notes and page say something else
    report(theirs / "shop.py", formats={"html"})
    notes = theirs / "htmlcov" / "status.json"
    facts = json.loads(notes.read_text())
    for one in facts["files"].values():
        one["index"].update(file="forged.py", url="https://forged.example")
    notes.write_text(json.dumps(facts))
    (theirs / "htmlcov" / "shop_py.html").write_text("forged")
    give(theirs)

    # WHEN root makes its own there
    report(theirs / "shop.py", formats={"html"})

    # THEN its pages have nothing of theirs
    pages = "".join(path.read_text() for path in (theirs / "htmlcov").glob("*.html"))
    assert "forged" not in pages
    assert "choose" in pages


def test_modes_of_theirs_are_not_taken(theirs: Path) -> None:
    """A file of theirs that root's replaces does not give it its mode, and so no setuid bit."""
    report(theirs / "shop.py", formats={"json"})
    give(theirs)
    for name in (".coverage", "coverage.json", "htmlcov/index.html"):
        (theirs / name).chmod(0o6777)
    report(theirs / "shop.py", formats={"json"})
    for name in (".coverage", "coverage.json", "htmlcov/index.html"):
        facts = (theirs / name).stat()
        assert (facts.st_uid, stat.S_IMODE(facts.st_mode) & ~0o644) == (0, 0), name


def test_a_cache_of_theirs(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the home folder is still theirs, nothing that is in its cache is executed as root."""
    # GIVEN a cache of theirs
    package = theirs / ".cache" / "covattach" / "coverage" / "3.9" / "coverage"
    package.mkdir(parents=True)
    give(theirs)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(theirs))

    # WHEN root looks for a coverage / THEN it is not that
    assert coverage_packages.find((3, 9), "ctrace") != package

    # WHEN root says that this is the cache / THEN nothing is put there
    monkeypatch.setenv("XDG_CACHE_HOME", str(theirs / ".cache"))
    assert coverage_packages.find((3, 9), "ctrace") is None
    with pytest.raises(NotPossible, match="others can change"):
        coverage_packages.fill((3, 9))


def test_a_pip_of_theirs(theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their folder root executes root's pip, with no settings or temporary folder of theirs."""
    # GIVEN a pip of theirs in the current directory, and settings of theirs in the home folder
    (theirs / "pip.py").write_text("open('executed', 'w').close()\n")
    (theirs / ".pip").mkdir()
    (theirs / ".pip" / "pip.conf").write_text("[global]\nindex-url = file:///of-theirs\n")
    give(theirs)
    monkeypatch.chdir(theirs)
    monkeypatch.setenv("HOME", str(theirs))
    monkeypatch.setenv("TMPDIR", str(theirs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Root's own word, which keeps pip from asking anybody.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(coverage_packages, "kept", lambda version: tmp_path / "kept" / "coverage")

    # WHEN root wants a coverage / THEN it is root's pip that says that there is none
    with pytest.raises(NotPossible) as failed:
        coverage_packages.fill((3, 9))
    assert "No matching distribution" in failed.value.details
    assert not (theirs / "executed").exists()

    # THEN its environment names nothing of theirs
    told = coverage_packages.own_environment()
    assert not Path(told["HOME"]).is_relative_to(theirs)


def test_a_temporary_folder_of_theirs(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TMPDIR in which they could exchange root's files is not used."""
    from covattach.files.private_folder import private_folder

    monkeypatch.setattr("tempfile.tempdir", str(theirs))
    with private_folder("test-") as folder:
        assert not folder.is_relative_to(theirs)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_folder_of_all(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder like /tmp, in which everybody may make files, theirs are not taken for ours."""
    # GIVEN such a folder, with a report of theirs in it
    common = theirs.parent / "tmp"
    common.mkdir()
    common.chmod(0o1777)
    monkeypatch.chdir(common)
    report(theirs / "shop.py", formats={"html"})
    give(common / "htmlcov")
    before = state(common / "htmlcov")

    # WHEN root reports there / THEN their folder is refused, and another one is not
    assert "is of user 65534" in attempt(theirs / "shop.py", formats={"html"})
    assert state(common / "htmlcov") == before
    report(theirs / "shop.py", html="ours")
    assert (common / "ours" / "index.html").stat().st_uid == 0


def test_work_in_a_group_goes_on(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that a group writes to outputs are the group's; links of root's own lead on."""
    # GIVEN a folder of a group's, reached by a link of root's
    shared = theirs.parent / "shared"
    shared.mkdir()
    os.chown(shared, 0, NOBODY)
    shared.chmod(0o2775)
    (theirs.parent / "link").symlink_to(shared)
    monkeypatch.chdir(theirs.parent)

    # WHEN root reports there twice, THEN pages that are up to date are as they were
    report(theirs / "shop.py", html="link/htmlcov")
    page = shared / "htmlcov" / "shop_py.html"
    first = page.stat()
    report(theirs / "shop.py", html="link/htmlcov")
    assert page.stat().st_ino == first.st_ino
    assert (first.st_gid, (shared / "htmlcov").stat().st_gid) == (NOBODY, NOBODY)
    assert (shared / "htmlcov" / ".gitignore").read_text() == "# Created by covattach\n*\n"

    # AND folders on the way that are made can be gone through again
    for _ in range(2):
        report(theirs / "shop.py", html="link/new/er/htmlcov")
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o2775


def test_who_is_not_root_goes_on(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's own work goes on: with a group's umask, and through links of their own."""
    # GIVEN a user who lets their group write, and a link of theirs in a folder of a group's
    report(theirs / "shop.py", html="first")  # what is imported now need not be readable for them
    for name in (".coverage", *NAMES):
        (theirs / name).unlink()
    shared, theirs_too = theirs.parent / "shared", theirs / "out"
    shared.mkdir()
    os.chown(shared, 0, NOBODY)
    shared.chmod(0o2775)
    before = os.umask(0o002)
    try:
        with as_owner(THEM):
            theirs_too.mkdir()
            (shared / "link").symlink_to(theirs_too)

            # WHEN they report twice / THEN a page that is up to date stays, and nothing is refused
            report(theirs / "shop.py")
            page = (theirs / "htmlcov" / "shop_py.html").stat()
            report(theirs / "shop.py")
            assert (theirs / "htmlcov" / "shop_py.html").stat().st_ino == page.st_ino
            monkeypatch.chdir(shared)
            for _ in range(2):
                report(theirs / "shop.py", html="link/htmlcov")
    finally:
        os.umask(before)
    assert (theirs_too / "htmlcov" / "index.html").stat().st_uid == NOBODY
