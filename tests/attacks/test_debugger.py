"""Files that a target names to its debugger: gdb opens none of them, with root's rights or ours."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, open_to_all
from support.users import OTHER, PYTHON
from support.waiting import wait_for

from covattach.injector.gdb_driver import Gdb
from covattach.injector.x86_64.support import REGISTERS
from covattach.process.process import Process

NAMING = (TARGETS / "naming.py").read_text()
LONG = 30.0  # seconds in which an attach must have come to its end, on a loaded machine
IN_OPEN = 0x20
# gdb looks for those that do not begin with a slash from where it stands.
NAMES = ("../../{}/named", "{}/named")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that all can look into."""
    with open_to_all() as found:
        yield found


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Callable[[], bytes]]:
    """Watch a folder (inotify(7)); yield a function that returns the files opened since."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), IN_OPEN) >= 0

    def events() -> bytes:
        try:
            return os.read(watch, 65536)
        except BlockingIOError:
            return b""

    try:
        yield events
    finally:
        os.close(watch)


@contextlib.contextmanager
def others(program: str | Path, *words: str) -> Iterator[int]:
    """Run another user's process that names files; yield its PID.  It must be left running."""
    ids: dict[str, Any] = {"user": OTHER, "group": OTHER, "extra_groups": []}
    command = [program, "-c", NAMING, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, **ids) as popen:
        try:
            assert popen.stdout is not None
            assert popen.stdout.readline() == b"ready\n"
            yield popen.pid
            wait_for(lambda: not Process(popen.pid).is_stopped, "the target to run on")
            assert popen.poll() is None
        finally:
            popen.kill()


def attach(pid: int) -> None:
    """Attach to a process, and look at its registers."""
    deadline = time.monotonic() + LONG
    with Gdb(REGISTERS) as gdb:
        gdb.prepare(deadline)
        gdb.attach(pid, deadline)
        assert gdb.value("(unsigned long)$rip", deadline)
        gdb.detach(deadline)


@pytest.mark.parametrize("kind", ["libraries", "debug"])
@pytest.mark.parametrize("name", NAMES)
def test_names_in_memory(kind: str, name: str, folder: Path) -> None:
    """GIVEN libraries or a vDSO's debug file that are so named, THEN root's gdb opens none."""
    shutil.copy("/bin/true", folder / "named")
    with (
        others(PYTHON, kind, name.format(str(folder).removeprefix("/"))) as pid,
        opened(folder) as events,
    ):
        attach(pid)
        assert events() == b""


def test_a_program_that_was_removed(folder: Path) -> None:
    """GIVEN a file of the name that /proc gives a removed program, THEN it is not opened."""
    program = folder / "program"
    shutil.copy(os.path.realpath(PYTHON), program)
    with others(program, "nothing") as pid, opened(folder) as events:
        program.unlink()
        named = Path(os.readlink(f"/proc/{pid}/exe"))
        shutil.copy("/bin/true", named)
        events()
        attach(pid)
        assert events() == b""


@pytest.mark.pythons("3.9", "3.13")
def test_a_pipe(
    interpreter: Interpreter, folder: Path, launch: Launch, covattach: Covattach
) -> None:
    """GIVEN a pipe in such a place, WHEN a session is begun, THEN nothing waits for it."""
    os.mkfifo(folder / "named")
    target = launch(interpreter, "naming.py", "libraries", f"../..{folder}/named")
    covattach("start", target.pid, "--timeout", "10")
    covattach("stop", target.pid, "--no-dump")
