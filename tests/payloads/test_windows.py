"""Windows: a line is in exactly the windows in which it ran, on every core."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch
from support.waiting import wait_for

FUNCTIONS, THREADS = 30_000, 4
SHARE = FUNCTIONS // THREADS
CORES = [
    pytest.param(core, branch, id=f"{core}-{'branches' if branch else 'lines'}")
    for core in ("ctrace", "sysmon")
    for branch in (False, True)
]


def begin(agent: Inside, core: str, branch: bool, interpreter: Interpreter) -> None:
    """Measure with that core, if this interpreter has it, or else with its best one."""
    has_sysmon = interpreter.minor >= ((3, 14) if branch else (3, 12))
    agent.start(core if core == "ctrace" or has_sysmon else None, branch=branch)


def lines_of(held: set[Any]) -> set[int]:
    """Return the lines out of lines or arcs, as coverage does."""
    return {
        line for one in held for line in (one if isinstance(one, tuple) else (one,)) if line > 0
    }


@pytest.mark.pythons("3.9", "3.12", "3.14", stress=("3.11", "3.13", "3.15"))
@pytest.mark.parametrize(("core", "branch"), CORES)
def test_what_runs_is_in_its_window(
    interpreter: Interpreter, core: str, branch: bool, launch: Launch
) -> None:
    """A line is in each window in which it ran; a window's name continues it."""
    # GIVEN a measured target that has run `later`
    target = launch(interpreter, "idle.py", "event")
    script = str(TARGETS / "idle.py")
    later = marked("idle.py", "# later")
    with Inside(target) as agent:
        begin(agent, core, branch, interpreter)
        target.ask("later()")

        # WHEN it runs in the first window again, not in the second, and in the third
        for window, runs in (("one", True), ("two", False), ("three", True), ("two", False)):
            assert agent.ask("mark", window=window)[0]["window"] == window
            if runs:
                target.ask("later()")
        snapshot = agent.dump()

        # THEN each window in which it ran has it, and no other
        ran = {name: lines_of(files.get(script, set())) for name, files in snapshot.windows.items()}
        for window in ("", "one", "three"):
            assert ran[window] >= later
        assert not ran["two"] & later
        assert lines_of(snapshot.files[script]) == set().union(*ran.values())

        # WHEN a window is continued, THEN it has its old lines and the new ones
        target.ask("later()")
        agent.ask("mark", window="one")
        ran = {
            name: lines_of(files.get(script, set())) for name, files in agent.dump().windows.items()
        }
        assert ran["one"] >= later
        assert ran["two"] >= later

        # WHEN it begins anew, THEN no window has anything, and the last one goes on
        agent.dump(reset=True)
        assert not any(lines_of(held) & later for held in agent.dump().files.values())
        target.ask("later()")
        snapshot = agent.stop()
        assert lines_of(snapshot.windows["one"][script]) >= later
        assert not any(snapshot.windows[""].values())


@pytest.mark.pythons("3.11", "3.14", stress=("3.12", "3.13", "3.15"))
@pytest.mark.parametrize(("core", "branch"), CORES)
def test_no_line_is_in_no_window(
    interpreter: Interpreter, core: str, branch: bool, launch: Launch, tmp_path: Path
) -> None:
    """While four threads run and windows change all the time, nothing is lost or invented."""
    # GIVEN a target that is measured, and four threads of it that are about to run
    progress, source = tmp_path / "progress", tmp_path / "functions.py"
    target = launch(interpreter, "burst.py", progress, source)
    with Inside(target) as agent:
        begin(agent, core, branch, interpreter)
        target.tell("go.set()")

        def called() -> list[int]:
            return list(struct.unpack(f"<{THREADS}Q", progress.read_bytes()))

        # WHEN windows are marked, some of them again and again, and it is dumped in between
        bounds = []
        while sum(called()) < FUNCTIONS:
            window = f"w{len(bounds)}" if len(bounds) % 3 else "again"
            before = called()
            agent.ask("mark", window=window)
            bounds.append((window, before, called()))
            if len(bounds) % 5 == 0:
                agent.dump()
        snapshot = agent.stop()

        # THEN each line is in a window in which it can have run, and in no other
        ran = {
            name: lines_of(files[str(source)])
            for name, files in snapshot.windows.items()
            if str(source) in files
        }
        assert len(bounds) > 5
        never, all_of_them = [0] * THREADS, [FUNCTIONS] * THREADS
        spans = [("", never, never), *bounds, ("", never, all_of_them)]
        for thread in range(THREADS):
            for number in range(SHARE):
                line = 2 * (thread * SHARE + number) + 2
                found = {name for name, lines in ran.items() if line in lines}
                # Those that had not surely ended before it ran, nor surely begun after it.
                possible = {
                    window
                    for (window, before, _), (_, _, after) in pairwise(spans)
                    if before[thread] <= number <= after[thread]
                }
                assert found, f"{line} is in no window"
                assert found <= possible, f"{line} is in {found}"


@pytest.mark.pythons("3.12", "3.14", stress=("3.13", "3.15"))
def test_hot_lines_are_in_every_window(interpreter: Interpreter, launch: Launch) -> None:
    """Lines that run all the time, in threads too, are in each window, however often it changes."""
    # GIVEN a target with threads that run the same lines all the time
    target = launch(interpreter, "mixture.py")
    script, running = str(TARGETS / "mixture.py"), marked("mixture.py", "# on")
    with Inside(target) as agent:
        agent.start("sysmon")
        # WHEN a window is begun again and again, THEN each of them has them all
        for number in range(60):
            window = f"w{number % 7}"
            agent.ask("mark", window=window)
            agent.dump(reset=True)
            wait_for(
                lambda: agent.dump().windows[window].get(script, set()) >= running,  # noqa: B023
                f"the lines of window {number}",
            )
        agent.stop()


@pytest.mark.pythons("3.12", "3.14", "3.15")
def test_other_tools_hear_nothing_of_it(interpreter: Interpreter, launch: Launch) -> None:
    """A tool of the application's, which has switched a place off, is not called there again."""
    # GIVEN a target with a tool of its own, which wants to hear of each line once
    target = launch(interpreter, "idle.py", "event")
    target.ask("sys.monitoring.use_tool_id(2, 'theirs')")
    target.ask("setattr(sys, 'heard', [])")
    target.ask(
        "sys.monitoring.register_callback(2, sys.monitoring.events.LINE,"
        " lambda code, line: (sys.heard.append(line), sys.monitoring.DISABLE)[1])"
    )
    target.ask("sys.monitoring.set_local_events(2, later.__code__, sys.monitoring.events.LINE)")
    with Inside(target) as agent:
        agent.start("sysmon")
        target.ask("later()")
        heard = target.ask("len(sys.heard)")
        assert heard

        # WHEN windows change, and the same runs again
        for window in ("one", "two"):
            agent.ask("mark", window=window)
            target.ask("later()")

        # THEN it has heard of nothing twice
        assert target.ask("len(sys.heard)") == heard
        agent.stop()
