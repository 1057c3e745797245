"""How covattach gets in: by each method, and into targets whose main thread is blocked."""

from __future__ import annotations

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, Target, differences

IDLE = TARGETS / "idle.py"
WAYS = ("event", "join", "sleep", "sleep-long", "select", "read", "busy")


def number_of(mark: str) -> int:
    """Return the number of the line of the target that ends so."""
    lines = IDLE.read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return found


def measures(covattach: Covattach, target: Target) -> bool:
    """Tell whether the next dump has a line that the target executes now."""
    target.ask("later()")
    covattach("dump", target.pid, "--no-html")
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    return number_of("later") in (data.lines(str(IDLE)) or ())


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
@pytest.mark.parametrize("way", WAYS)
def test_main_thread_is_blocked_or_busy(
    interpreter: Interpreter, way: str, covattach: Covattach, launch: Launch
) -> None:
    """A target is measured, unnoticed by its main thread, whether that is blocked or busy."""
    # GIVEN a target whose main thread waits for something, and is about to end
    target = launch(interpreter, "idle.py", way)
    before = target.traces()

    # WHEN it is measured
    covattach("start", target.pid)

    # THEN the lines it executes are in the dump
    assert measures(covattach, target)

    # AND it looks as before after `stop`, while the main thread may still be blocked
    covattach("stop", target.pid, "--no-dump")
    assert differences(before, target.traces()) == {}

    # AND its main thread goes on when it may, to the end
    if way != "sleep-long":
        target.tell("release()")
        assert target.wait() == 0


@pytest.mark.pythons("3.14", "3.15")
def test_gdb_on_request(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """`--method gdb` works where remote-exec would be taken."""
    # GIVEN targets with a main thread that runs, and one that is blocked
    for way in ("busy", "event"):
        target = launch(interpreter, "idle.py", way)
        before = target.traces()

        # WHEN gdb is asked for
        facts = covattach("start", target.pid, "--method", "gdb", "--json").facts

        # THEN gdb was used, and it measures
        assert facts["method"] == "gdb"
        assert facts["pause_ms"] > 0
        assert measures(covattach, target)
        covattach("stop", target.pid, "--no-dump")
        assert differences(before, target.traces()) == {}


@pytest.mark.pythons("3.14", "3.15")
def test_remote_exec_is_taken_where_it_can(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that runs is not stopped from 3.14 on, and needs no gdb."""
    # GIVEN a target that runs, and no gdb
    target = launch(interpreter, "idle.py", "busy")

    # WHEN it is measured
    facts = covattach("start", target.pid, "--json", env={"PATH": "/nowhere"}).facts

    # THEN it was not stopped
    assert facts["method"] == "remote-exec"
    assert facts["pause_ms"] == 0
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.9", "3.11", "3.13")
def test_remote_exec_is_refused_where_it_cannot(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Below 3.14 `--method remote-exec` is refused, with gdb as the remedy."""
    # GIVEN a target without PEP 768
    target = launch(interpreter, "idle.py", "sleep")
    before = target.residue()

    # WHEN remote-exec is asked for, THEN it is refused
    said = covattach.fails(4, "start", target.pid, "--method", "remote-exec")
    assert "--method gdb" in said
    target.assert_untouched(before)


@pytest.mark.pythons("3.14", "3.15")
def test_remote_debugging_is_switched_off(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Where PEP 768 is switched off, gdb is taken, and remote-exec refused."""
    # GIVEN a target that has switched it off
    target = launch(interpreter, "idle.py", "sleep", options=("-X", "disable-remote-debug"))
    before = target.residue()

    # WHEN remote-exec is asked for, THEN it is refused
    said = covattach.fails(4, "start", target.pid, "--method", "remote-exec")
    assert "--method gdb" in said
    target.assert_untouched(before)

    # WHEN nothing is asked for, THEN gdb is taken
    facts = covattach("start", target.pid, "--json").facts
    assert facts["method"] == "gdb"
    assert measures(covattach, target)
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)
