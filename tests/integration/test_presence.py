"""Processes in which there is no Python, though its library is loaded: refused, and unharmed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import hosts
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import Launch, Target

from covattach.errors import NotNow
from covattach.injector import gdb
from covattach.process.interpreter import find_interpreter
from covattach.process.process import Process

SHARED = {"3.9": "3.9-pyenv", "3.11": "3.11-pyenv", "3.13": "3.13-pyenv"}
Start = Callable[[str, str], Target]


@pytest.fixture
def start(launch: Launch, tmp_path: Path) -> Start:
    """Return a function that builds loading.c, and starts it with a version's library."""

    def build_and_start(minor: str, how: str) -> Target:
        interpreter = next(one for one in interpreters() if one.id == SHARED[minor])
        library = hosts.config(interpreter)["loaded"][0]
        host = hosts.loading(interpreter, tmp_path)
        return launch(host, how, library, bare=True, env=hosts.home(interpreter))

    return build_and_start


@pytest.mark.parametrize("minor", ["3.9", "3.13"])
@pytest.mark.parametrize("how", ["never", "finalised"])
def test_no_python(minor: str, how: str, start: Start, covattach: Covattach) -> None:
    """Every command says so, nothing is done, and Python can be used afterwards, and measured."""
    # GIVEN a program that has a libpython, and no Python
    target = start(minor, how)
    word = "yet" if how == "never" else "any more"

    # WHEN it is attached to, THEN that is refused
    assert f"There is no Python in process {target.pid} {word}" in covattach.fails(
        5, "start", target.pid
    )
    if how == "never" and minor == "3.13":
        covattach.fails(5, "start", target.pid, "--method", "pyrasite")
        covattach.fails(5, "trace", target.pid, "--for", "1s")
        covattach.fails(5, "record", target.pid, "--for", "1s")
        (row,) = [one for one in covattach("ps", "--json").facts if one["pid"] == target.pid]
        assert not row["can_attach"]
        assert "no Python" in row["why_not"]
    assert covattach.run("doctor", target.pid).code == 5

    # AND also where that is not known beforehand, the detour calls nothing
    process = Process(target.pid)
    interpreter = find_interpreter(process)
    with pytest.raises(NotNow, match="no Python"):
        gdb.inject(process, interpreter, lambda _: b"", time.monotonic() + 30)

    # AND the program goes on: it begins to use Python
    target.tell("")
    target.line("answer")


def test_ends_meanwhile(launch: Launch, covattach: Covattach) -> None:
    """A target that dies during the attach is a sentence, whenever that is."""
    interpreter = next(one for one in interpreters() if one.id == "3.11-debian")
    for turn in range(6):
        target = launch(interpreter, "idle.py", "event")
        running = covattach.begin("start", target.pid)
        time_out = time.monotonic() + 0.1 * turn + 0.4
        while time.monotonic() < time_out and running.poll() is None:
            continue
        target.popen.kill()
        if turn % 2:  # else it is a zombie
            target.wait()
        done = covattach.end(running)
        target.wait()
        assert "Traceback" not in done.err
        assert done.code in (0, 3, 5, 8), done.err
        if done.code == 0:  # it was measured already, and had no time to remove its folder
            for folder in target.folders:
                shutil.rmtree(folder)


@pytest.mark.pythons("3.12", "3.13", stress=("3.14",))
def test_main_thread_in_a_subinterpreter(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """The line runs in the main interpreter; that the other is not measured is said."""
    # GIVEN a main thread that works in a subinterpreter
    target = launch(interpreter, "interpreters.py")
    known = f"Process {target.pid} has a subinterpreter: what runs in it is not measured."

    # WHEN it is attached to, THEN everybody says it
    assert known in covattach("start", target.pid).err
    assert known in covattach("status", target.pid).err
    assert known in covattach("dump", target.pid, "--no-html").err
    (row,) = [
        one for one in covattach("doctor", target.pid, "--json").facts if known in one["found"]
    ]
    assert row["ok"], "it is no obstacle"

    # AND the subinterpreter ends as it would have, and so does the program
    target.tell("")
    assert target.wait() == 5
    covattach("stop", target.pid, "--no-dump")
