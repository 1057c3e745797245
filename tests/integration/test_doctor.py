"""`doctor` finds each obstacle to an attach, and `start` fails with the same."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import Launch
from support.waiting import wait_for


def rows(covattach: Covattach, code: int, *arguments: object, **how: Any) -> dict[str, Any]:
    """Run `doctor --json`; return its rows by the name of the check."""
    done = covattach.run("doctor", *arguments, "--json", **how)
    assert done.code == code, done.err
    return {row["check"]: row for row in done.facts}


def test_the_machine(covattach: Covattach) -> None:
    """Without a PID `doctor` checks the machine, and attaches gdb to a test process."""
    found = rows(covattach, 0)
    assert "a trial attach to a test process worked" in found["gdb"]["found"]
    assert all(row["ok"] for row in found.values())
    missing = rows(covattach, 4, env={"PATH": "/nowhere"})
    assert "apt install gdb" in missing["gdb"]["remedy"]


@pytest.mark.pythons("3.11", "3.14")
def test_a_good_target(interpreter: Interpreter, launch: Launch, covattach: Covattach) -> None:
    """Nothing is in the way, the target is as it was, and an attach works."""
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()
    found = rows(covattach, 0, target.pid)
    assert interpreter.version.rpartition(".")[0] in found["interpreter"]["found"]
    way = "remote-exec" if interpreter.minor >= (3, 14) else "gdb"
    assert found["way in"]["found"].startswith(way)
    assert found["coverage"]["found"].startswith("its own")
    target.assert_untouched(before)
    covattach("start", target.pid)
    assert "being measured already" in covattach("doctor", target.pid).err
    covattach("stop", target.pid, "--no-dump")


def test_a_table_with_a_remedy(launch: Launch, covattach: Covattach) -> None:
    """An obstacle is shown with its remedy; the exit code is that of `start`."""
    target = launch(interpreters()[-1], "idle.py", "sleep")
    os.kill(target.pid, signal.SIGSTOP)
    wait_for(lambda: target.status("State").startswith("T"), "the target to be stopped")
    done = covattach.run("doctor", target.pid)
    assert done.code == covattach.run("start", target.pid).code == 5
    assert f"kill -CONT {target.pid}" in done.err
    assert f"`covattach start {target.pid}` would fail, with the first NO above." in done.err
    os.kill(target.pid, signal.SIGCONT)


@pytest.mark.pythons("3.11")
def test_no_gdb(interpreter: Interpreter, launch: Launch, covattach: Covattach) -> None:
    """A missing gdb is the only obstacle, where the attach needs it."""
    target = launch(interpreter, "idle.py", "sleep")
    found = rows(covattach, 4, target.pid, env={"PATH": "/nowhere"})
    assert [name for name, row in found.items() if not row["ok"]] == ["gdb"]


@pytest.mark.pythons("3.9")
def test_no_coverage(interpreter: Interpreter, launch: Launch, covattach: Covattach) -> None:
    """Where nobody has a coverage for the target's version, it says how to get one."""
    target = launch(interpreter, "idle.py", "sleep", env={"PYTHONPATH": "/nowhere"})
    cache = {"XDG_CACHE_HOME": str(covattach.folder)}
    found = rows(covattach, 4, target.pid, env=cache)
    assert "provision --python 3.9" in found["coverage"]["remedy"]
    assert "provision --python 3.9" in covattach.fails(4, "start", target.pid, env=cache)


def test_no_target(covattach: Covattach) -> None:
    """A process that is no Python, or is gone, is reported as by `start`."""
    with subprocess.Popen(["sleep", "100"]) as popen:
        assert "not a Python" in rows(covattach, 3, popen.pid)["interpreter"]["found"]
        popen.kill()
        popen.wait()
        assert "no process" in rows(covattach, 3, popen.pid)["process"]["found"]
