"""Full disks, quotas, folders that cannot be written to or are gone: told, and nothing is lost."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch, Target
from support.waiting import wait_for

IDLE = str(TARGETS / "idle.py")
libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """Mount a small file system in memory; only root can."""
    assert os.geteuid() == 0, "only root can mount a file system"
    place.mkdir(exist_ok=True)
    done = libc.mount(b"none", os.fsencode(place), b"tmpfs", 0, options.encode())
    assert done == 0, os.strerror(ctypes.get_errno())
    try:
        yield place
    finally:
        libc.umount2(os.fsencode(place), 2)


@contextlib.contextmanager
def with_quota(place: Path) -> Iterator[Path]:
    """Mount a file system with room, of which hardly any may be used."""
    image = place.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(128 << 20)  # btrfs takes nothing smaller
    place.mkdir()
    run("mkfs.btrfs", "--quiet", image)
    run("mount", "--options", "loop", image, place)
    try:
        run("btrfs", "quota", "enable", place)
        run("btrfs", "subvolume", "create", place / "ours")
        run("btrfs", "qgroup", "limit", "64K", place / "ours")
        yield place / "ours"
    finally:
        run("umount", place)


def run(*words: object) -> None:
    """Run a program, which has to end well."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def small(kind: str, place: Path) -> contextlib.AbstractContextManager[Path]:
    """Give a folder in which there is no room for a data file, for one reason or another."""
    options = {"full": "size=64k", "no inodes": "nr_inodes=2"}
    return with_quota(place) if kind == "quota" else mounted(place, options[kind])


def has_later(data_file: Path) -> bool:
    """Tell whether a data file has the line of `later`."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    lines = Path(IDLE).read_text().splitlines()
    return lines.index('    lines.append("later")  # later') + 1 in (data.lines(IDLE) or ())


@pytest.fixture
def target(launch: Launch, covattach: Covattach) -> Iterator[Target]:
    """Start a target that is measured and has executed something; it must not be harmed."""
    target = launch(interpreters()[-1], "idle.py", "sleep")
    before = target.residue()
    covattach("start", target.pid)
    target.ask("later()")
    yield target
    # The session has gone on: what it has measured is all there, and nothing is left.
    covattach("stop", target.pid, "--no-html", "--data-file", covattach.folder / "last")
    assert has_later(covattach.folder / "last")
    target.assert_untouched(before)


@pytest.mark.parametrize("kind", ["full", "no inodes", "quota"])
def test_no_room_for_the_data(
    kind: str, target: Target, covattach: Covattach, tmp_path: Path
) -> None:
    """Neither a dump nor a stop that cannot write its data file takes anything away."""
    with small(kind, tmp_path / "small") as folder:
        if kind != "no inodes":
            with contextlib.suppress(OSError):
                (folder / "filler").write_bytes(bytes(1 << 17))
        for command in ("dump", "stop"):
            said = covattach.fails(1, command, target.pid, cwd=folder)
            assert ("Disk quota" if kind == "quota" else "data file cannot be made") in said
            assert covattach("status", target.pid, "--json").facts[0]["alive"]
        assert [name for name in os.listdir(folder) if name != "filler"] == []


def test_no_room_for_the_report(target: Target, covattach: Covattach, tmp_path: Path) -> None:
    """A report that does not fit is told of; the data is there."""
    with mounted(tmp_path / "small", "size=200k") as small:
        done = covattach.run("dump", target.pid, cwd=small)
        assert (done.code, "No space left" in done.line("Error: ")) == (1, True)
        assert "data file is complete" in done.line("Remedy: ")
        assert has_later(small / ".coverage")


def test_a_folder_that_cannot_be_written_to(
    target: Target, covattach: Covattach, tmp_path: Path
) -> None:
    """A dump or stop into a read-only file system is refused with the reason."""
    with mounted(tmp_path / "small", "size=1m") as small:
        assert libc.mount(b"none", os.fsencode(small), b"", 32 | 1, b"") == 0
        for command in ("dump", "stop"):
            assert "Read-only" in covattach.fails(1, command, target.pid, cwd=small)


def test_our_folder_has_been_removed(target: Target, covattach: Covattach) -> None:
    """In a current directory that is no more, results have nowhere to go."""
    gone = covattach.folder / "gone"
    gone.mkdir()
    parts = [str(part) for part in covattach.program]
    words = ["sh", "-c", 'rmdir "$0"; exec "$@"', str(gone), *parts]
    kept, covattach.program = covattach.program, words
    root = str(Path(__file__).parent.parent.parent)
    for command in ("dump", "stop"):
        gone.mkdir(exist_ok=True)
        said = covattach.fails(2, command, target.pid, cwd=gone, env={"PYTHONPATH": root})
        assert "has been removed" in said
    covattach.program = kept


@pytest.mark.pythons("3.11", "3.14")
def test_the_folder_of_the_target_has_been_removed(
    interpreter: Interpreter, launch: Launch, covattach: Covattach, tmp_path: Path
) -> None:
    """A target whose working directory is no more is refused; one that is measured goes on."""
    # GIVEN a target in a folder that has been removed
    gone = tmp_path / "gone"
    gone.mkdir()
    target = launch(interpreter, "idle.py", "sleep", cwd=gone)
    before = target.residue()
    gone.rmdir()

    # WHEN it is to be measured, THEN that is refused
    assert "has been removed" in covattach.fails(5, "start", target.pid)
    target.assert_untouched(before)

    # AND where it is measured already, that goes on, and ends clean
    gone.mkdir()
    target.ask(f"os.chdir({str(gone)!r})")
    covattach("start", target.pid)
    gone.rmdir()
    target.ask("later()")
    covattach("dump", target.pid)
    assert has_later(covattach.folder / ".coverage")
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_no_descriptor_is_left(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """A target that cannot open anything is refused before; one that is measured goes on."""
    # GIVEN a target that may have no more descriptors than it has
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    few = "__import__('resource').setrlimit(7, (len(os.listdir('/proc/self/fd')) - 1, 4096))"
    many = "__import__('resource').setrlimit(7, (1024, 4096))"
    target.ask(few)

    # WHEN it is to be measured, THEN that is refused at once, with the remedy
    assert f"prlimit --pid {target.pid}" in covattach.fails(5, "start", target.pid)
    target.assert_untouched(before)

    # AND where it is measured already, it answers, and it ends clean
    target.ask(many)
    covattach("start", target.pid)
    target.ask(few)
    target.ask("later()")
    covattach("dump", target.pid, "--no-html")
    assert has_later(covattach.folder / ".coverage")
    covattach("stop", target.pid, "--no-html")
    target.ask(many)
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_no_room_for_the_last_snapshot(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """A session whose time is over and that cannot be saved stays, until somebody takes it."""
    # GIVEN a measured target that may write no file, with a session that ends soon
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    target.ask("__import__('signal').signal(25, __import__('signal').SIG_IGN).name")
    covattach("start", target.pid, "--for", "1s")
    target.ask("later()")
    target.ask("__import__('resource').setrlimit(1, (0, -1))")

    # WHEN its time is over
    def is_off() -> bool:
        return "its time was over" in str(covattach.run("status", target.pid, "--json").out)

    wait_for(is_off, "the end of its time")

    # THEN the measured lines can still be had
    covattach("stop", target.pid, "--no-html")
    assert has_later(covattach.folder / ".coverage")
    target.ask("__import__('resource').setrlimit(1, (-1, -1))")
    target.ask("__import__('signal').signal(25, __import__('signal').SIG_DFL).name")
    target.assert_untouched(before)
