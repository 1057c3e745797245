"""Targets that end while they are measured: the last lines are there, and the end is the same."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch
from support.waiting import wait_for

from covattach.snapshot.saved_file import read_snapshot

ENDING = TARGETS / "ending.py"
SIGTERM = -signal.SIGTERM


def executed_lines(data_file: Path) -> set[int]:
    """Return the lines of the target that a data file says were executed."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return set(data.lines(str(ENDING)) or ())


def last_lines(how: str) -> set[int]:
    """Return the lines that the target executes at its end."""
    lines = ENDING.read_text().splitlines()
    marked = [number for number, line in enumerate(lines, 1) if line.endswith("# last")]
    return set(marked if how == "handler" else marked[:2])


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.12", "3.13", "3.15"))
@pytest.mark.parametrize(
    ("how", "status"),
    [("normal", 0), ("status", 3), ("raises", 1), ("default", SIGTERM), ("handler", 7)],
)
def test_report_of_a_target_that_has_ended(
    interpreter: Interpreter,
    how: str,
    status: int,
    covattach: Covattach,
    launch: Launch,
) -> None:
    """`dump` has the last lines before the end, and the exit status is the target's own."""
    # GIVEN a target that is measured
    target = launch(interpreter, "ending.py", how)
    covattach("start", target.pid)

    # WHEN it ends
    target.tell("go.set()")
    assert target.wait() == status

    # THEN the lines before the end are in the report, at each dump
    facts = covattach("dump", target.pid, "--json").facts
    assert facts["pid"] == target.pid
    assert Path(facts["html"]).is_file()
    assert executed_lines(covattach.folder / ".coverage") >= last_lines(how)
    covattach("dump", target.pid, "--no-html")

    # AND `stop` makes the last report, and removes the session
    assert target.folders
    assert how == "default" or not (target.folders[0] / "payloads").exists()
    covattach("stop", target.pid, "--no-html")
    assert executed_lines(covattach.folder / ".coverage") >= last_lines(how)
    assert not target.folders
    covattach.fails(3, "dump", target.pid)


@pytest.mark.pythons("3.14", stress=("3.11",))
@pytest.mark.parametrize("way", ["event", "join", "select", "sleep-long", "busy"])
def test_sigterm_for_a_target_whose_main_thread_waits(
    interpreter: Interpreter, way: str, covattach: Covattach, launch: Launch
) -> None:
    """SIGTERM ends a target during a session and after it, however its main thread waits."""
    # GIVEN a target that is measured
    target = launch(interpreter, "idle.py", way)
    covattach("start", target.pid)

    # WHEN it gets SIGTERM, THEN it ends by that, and there is a report
    os.kill(target.pid, signal.SIGTERM)
    assert target.wait() == SIGTERM
    covattach("dump", target.pid)
    covattach("stop", target.pid, "--no-dump")

    # GIVEN a target that was measured
    target = launch(interpreter, "idle.py", way)
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")

    # WHEN it gets SIGTERM, THEN it ends by that
    os.kill(target.pid, signal.SIGTERM)
    assert target.wait() == SIGTERM


@pytest.mark.pythons("3.11", "3.14")
def test_sigterm_that_the_target_ignores(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that ignores SIGTERM goes on ignoring it, measured or not."""
    # GIVEN a target that ignores it
    target = launch(interpreter, "ending.py", "ignored")
    covattach("start", target.pid)

    # WHEN it gets SIGTERM
    os.kill(target.pid, signal.SIGTERM)

    # THEN it answers on, during the session and after it
    assert target.ask("1 + 1") == 2
    covattach("stop", target.pid, "--no-dump")
    os.kill(target.pid, signal.SIGTERM)
    assert target.ask("1 + 1") == 2


@pytest.mark.pythons("3.11", "3.14")
def test_autosave_of_a_target_that_was_killed(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The report of a killed target has its last autosave."""
    # GIVEN a target that saves by itself, and was killed
    target = launch(interpreter, "idle.py", "sleep")
    covattach("start", target.pid, "--every", "0.05s")
    target.ask("later()")
    (folder,) = target.folders
    saved = folder / "snapshot"
    wait_for(saved.exists, "the first autosave")
    first = saved.stat().st_mtime_ns
    wait_for(lambda: saved.stat().st_mtime_ns > first, "the next autosave")
    os.kill(target.pid, signal.SIGKILL)
    assert target.wait() == -signal.SIGKILL

    # WHEN it is dumped and stopped, THEN the report has its saved lines
    facts = covattach("dump", target.pid, "--json").facts
    assert facts["lines"] > 0
    covattach("stop", target.pid, "--no-dump")
    assert not target.folders


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13", "3.15"))
def test_the_last_save_of_a_target_that_was_killed_is_whole_and_recent(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """Killed at any moment, it leaves a whole save with all that ran until two intervals ago."""
    # GIVEN a target that runs something new all the time, in two windows, and saves each second
    source, times = tmp_path / "functions.py", tmp_path / "times"
    target = launch(interpreter, "ticking.py", source, times)
    covattach("start", target.pid, "--every", "1s")
    covattach("mark", target.pid, "second")
    (folder,) = target.folders
    saved = folder / "snapshot"
    first = wait_for(lambda: saved.exists() and saved.stat().st_ino, "the first save")
    wait_for(lambda: saved.stat().st_ino != first, "the next save")

    # WHEN it is killed, most of an interval after that
    noted = len(times.read_text().splitlines())
    wait_for(lambda: len(times.read_text().splitlines()) > noted + 8, "it goes on")
    os.kill(target.pid, signal.SIGKILL)
    assert target.wait() == -signal.SIGKILL

    # THEN the last save is whole, of both windows
    covattach("dump", target.pid, "--no-html")
    snapshot = read_snapshot(saved)
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    assert data.measured_contexts() >= {"second"}

    # AND not older than two intervals, in each of which the target runs ten functions: it counts
    # by itself what it has run, so that a machine on which everything takes longer does not matter
    lines = set(data.lines(str(source)) or ())
    ran = {2 * int(n) + 2: float(at) for n, at in map(str.split, times.read_text().splitlines())}
    assert len([line for line, at in ran.items() if line not in lines and at > since(folder)]) <= 20

    # AND no line is missing that ran before it was taken, but for the one at its start
    between = [line for line, at in ran.items() if since(folder) < at < snapshot.taken]
    assert set(between[1:]) <= lines
    covattach("stop", target.pid, "--no-dump")


def since(folder: Path) -> float:
    """Return when measuring began, by the target's clock."""
    return float(json.loads((folder / "session.json").read_text())["since"])


@pytest.mark.pythons("3.11")
def test_one_that_nobody_has_collected(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A measured zombie can be dumped and stopped; `mark`, `record` and `start` refuse it."""
    # GIVEN a target that has ended, for which its parent has not waited
    target = launch(interpreter, "ending.py", "normal")
    covattach("start", target.pid)
    target.tell("go.set()")
    wait_for(lambda: target.status("State").startswith("Z"), "a zombie")
    # WHEN commands name it, THEN its saved lines are there, and the rest is refused
    covattach("status", target.pid)
    covattach.fails(8, "mark", target.pid, "window")
    covattach.fails(5, "record", target.pid, "--for", "1s")
    covattach.fails(5, "start", target.pid)
    covattach("dump", target.pid, "--no-html")
    assert executed_lines(covattach.folder / ".coverage") >= last_lines("normal")
    covattach("stop", target.pid, "--no-html")
    assert target.wait() == 0
