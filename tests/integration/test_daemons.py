"""Processes that become daemons while they are measured: every descriptor of ours is closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch
from support.waiting import wait_for

PROGRAM = (TARGETS / "daemon.py").read_text().splitlines()
DAEMON = {number for number, line in enumerate(PROGRAM, 1) if line.endswith("# daemon")}


def lines(report: Path) -> set[int]:
    """Return the lines of the daemon's program that ran."""
    files = json.loads(report.read_text())["files"]
    return {one for name in files if name.endswith("daemon.py") for one in ran(files[name])}


def ran(facts: dict[str, list[int]]) -> list[int]:
    """Return the lines of a file that ran."""
    return facts["executed_lines"]


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
def test_a_daemon_of_a_tree(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A daemon that is born in a tree has the streams that it opens, and is measured."""
    # GIVEN a process that is measured as a tree
    target = launch(interpreter, "daemon.py", options=("-W", "ignore"))
    folder = target.log.parent
    covattach("start", target.pid, "--tree")

    # WHEN it makes a daemon in the usual way
    (folder / "go").touch()
    wait_for((folder / "pid").exists, "a daemon")
    daemon, _, streams = (folder / "pid").read_text().partition(" ")
    try:
        # THEN its streams are its own, and its lines are in the dump
        assert streams == "[0, 1, 2]"
        covattach("dump", target.pid, "--no-html", "--format", "json")
        assert lines(covattach.folder / "coverage.json") >= DAEMON
        assert daemon in covattach("status", target.pid).err
        covattach("stop", target.pid, "--no-dump")
    finally:
        (folder / "pid").unlink()
    wait_for(lambda: not Path(f"/proc/{daemon}").exists(), "its end")


@pytest.mark.pythons("3.14", stress=("3.9",))
def test_a_session_that_fails(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A session that a fault of ours has ended is told of, and its last save is reported."""
    # GIVEN a measured target, WHEN the agent fails in it
    target = launch(interpreter, "idle.py", "event")
    covattach("start", target.pid)
    target.ask("later()")
    target.ask("setattr(sys.covattach.covattach.listener, 'attend', None)")
    covattach.run("dump", target.pid, "--no-html")
    wait_for(lambda: (target.folders[0] / "fault").exists(), "the fault")

    # THEN the fault is told, and the lines that ran until then are there
    told = covattach("dump", target.pid, "--no-html", "--format", "json")
    assert "by a fault of covattach's" in told.err
    files = json.loads((covattach.folder / "coverage.json").read_text())["files"]
    assert any(name.endswith("idle.py") for name in files)
    assert "by a fault of covattach's" in covattach("status", target.pid).err

    # AND a new session can begin, and leaves nothing
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")
    covattach("stop", target.pid, "--no-dump")
    assert not target.folders
