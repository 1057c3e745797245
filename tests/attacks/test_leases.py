"""Attacks with leases: whoever opens a file that its owner has one on waits for 45 s (fcntl(2)).

A user may have one on any file of theirs, those of their processes in /proc too.  That the file is
*not* opened is what shows that nobody has waited: after the wait it would be.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import Covattach
from support.targets import TARGETS
from support.users import OTHER, PYTHON, THIRD, Users, several_users

from covattach.attach.attach_process import alone
from covattach.diagnose import python_processes
from covattach.errors import CovattachError, NoTarget
from covattach.process import procfs_errors, thread_activity
from covattach.process.file_view import FileView
from covattach.process.memory import open_memory
from covattach.process.owner import Owner
from covattach.process.process import Process

Look = Callable[[Process], object]


@pytest.fixture
def users() -> Iterator[Users]:
    """Give other users."""
    with several_users() as found:
        shutil.copy(TARGETS / "leasing.py", found.folder)
        yield found


@contextlib.contextmanager
def leasing(users: Users, *paths: Path | str) -> Iterator[int]:
    """Have another user's process hold leases on these files; yield its PID."""
    words = [PYTHON, users.folder / "leasing.py", *paths]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    who = {"user": OTHER, "group": OTHER, "extra_groups": []}
    with subprocess.Popen(words, cwd="/", **pipes, **who) as popen:
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"ready\n"
        yield popen.pid
        popen.kill()


def test_a_source(users: Users) -> None:
    """A source that its owner has a lease on cannot be read, instead of being waited for."""
    source = users.private(OTHER, "source.py")
    with (
        leasing(users, source),
        FileView(Path("/"), "/", Owner(OTHER, OTHER)) as view,
        pytest.raises(BlockingIOError),
    ):
        view.read(str(source), 100)


def test_a_report(users: Users, covattach: Covattach) -> None:
    """A report on sources of which another user holds some has the others."""
    # GIVEN a process that has run three sources, and two of them are held
    sources = [users.public(f"source{number}.py") for number in range(3)]
    for one in sources[:2]:
        shutil.chown(one, OTHER, OTHER)
    liar = users.lying(OTHER, answers=True, files={str(one): [1] for one in sources})
    with leasing(users, *sources[:2]):
        # WHEN root reports on it
        done = covattach("dump", liar.pid, "--format", "json", "--json")

    # THEN one is there, and the others are said to be left out
    assert done.facts["files"] == 1
    assert "cannot be read: " in done.err.replace("\n", " ")


LOOKS: dict[str, Look] = {
    "stat": lambda process: Process(process.pid),
    "status": lambda process: Process(process.pid),
    "environ": lambda process: alone(process).__enter__(),
    "mem": lambda process: open_memory(process).__enter__(),
    "maps": lambda process: process.mappings,
    "limits": lambda process: process.descriptors,
    "comm": lambda process: process.name,
    "cmdline": lambda process: process.command,
}


@pytest.mark.parametrize("name", LOOKS)
def test_files_of_proc(name: str, users: Users) -> None:
    """A file of /proc that its owner has a lease on is not waited for."""
    # GIVEN a process of another user's that holds one of its files
    # WHEN root looks at it
    # THEN that is an error
    with (
        leasing(users, f"/proc/{{pid}}/{name}") as pid,
        pytest.raises((CovattachError, OSError)),
        procfs_errors.made_sense(),
    ):
        LOOKS[name](Process(pid))


def test_all_processes(users: Users) -> None:
    """A process that lets nobody see its state keeps the others from being shown no more."""
    liar = users.lying(THIRD)
    with leasing(users, "/proc/{pid}/stat") as pid:
        found = [one.pid for one in python_processes.pythons()]
        with pytest.raises(NoTarget, match="has a lease on it"):
            Process(pid)

    assert liar.pid in found


def test_threads(users: Users) -> None:
    """A thread that nobody may see counts as one that has ended."""
    with leasing(users, "/proc/{pid}/task/{pid}/status") as pid:
        assert thread_activity.traces_of_moving(Process(pid), pid) == ()
