"""Other tools that come, go, and put old trace functions back, during a session and after."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch, Target
from support.waiting import PATIENCE, wait_for

from covattach.session import agent_client
from covattach.session.folder import SessionFolder

RAN = marked("comings.py", "# first", "# pool", "# new")


def ended(target: Target, before: dict[str, Any]) -> None:
    """Wait until the agent has gone; fail unless the target is as it was."""
    wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")
    target.assert_untouched(before)


def warnings_of(agent: Inside) -> str:
    """Return the warnings of a dump."""
    return "\n".join(agent.ask("dump")[0]["warnings"])


def traced(agent: Inside) -> socket.socket:
    """Begin a trace; return the connection to read it from."""
    place = SessionFolder(agent.path, str(agent.path))
    connection = agent_client.asked(place, "trace", time.monotonic() + PATIENCE)
    wait_for(lambda: agent.target.ask("bool(threading._profile_hook)"), "the hook")
    return connection


@pytest.mark.pythons("3.9", "3.11", "3.13", stress=("3.10", "3.12"))
def test_a_debugger_comes_and_goes(interpreter: Interpreter, launch: Launch) -> None:
    """All threads are measured again after a debugger has gone, with a warning of the gap."""
    # GIVEN a target that is measured by trace functions
    target = launch(interpreter, "comings.py")
    before = target.residue()
    with Inside(target) as agent:
        agent.start("ctrace")
        # WHEN a debugger takes threads
        target.ask("come()")
        # THEN a dump says so
        assert "__main__.tool" in warnings_of(agent)

        # WHEN it has gone, THEN all is measured again, and the gap is still told
        target.ask("leave()")
        assert "has had threads until" in warnings_of(agent)
        assert target.ask("work()") == []
        assert agent.points_until("comings.py", RAN) >= RAN
        agent.stop()
    ended(target, before)


@pytest.mark.pythons("3.11", "3.13", "3.14", stress=("3.9", "3.12"))
def test_its_own_coverage_outlives_ours(interpreter: Interpreter, launch: Launch) -> None:
    """A coverage of the application's that begins later and ends later: both are whole."""
    # GIVEN a target that is measured
    target = launch(interpreter, "comings.py")
    before = target.residue()
    with Inside(target) as agent:
        agent.start()
        target.ask("work()")
        # WHEN it begins a coverage of its own, THEN windows and the end go on as ever
        target.ask("own_begins()")
        agent.ask("mark", window="later")
        target.ask("work()")
        found = agent.stop()
        assert any(set(points) >= RAN for points in found.files.values())
    wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")

    # AND its own has all that ran since it began, and is as without us
    target.ask("work()")
    assert set(target.ask("own_ends()")) >= marked("comings.py", "# first", "# new")
    now = target.residue()
    assert (now["trace"], now["frames"], now["tools"]) == (
        before["trace"],
        before["frames"],
        before["tools"],
    )
    assert "coverage" in now["modules"], "the application uses it"

    # AND it can be measured again
    with Inside(target) as agent:
        agent.start()
        target.ask("work()")
        assert agent.points_until("comings.py", RAN) >= RAN
        agent.stop()


@pytest.mark.pythons("3.9", "3.11", "3.13", stress=("3.10", "3.12"))
def test_what_is_put_back_after_the_end(interpreter: Interpreter, launch: Launch) -> None:
    """Tools that put our trace function back do no harm with it, and a new session can start."""
    # GIVEN a tool that came during a session
    target = launch(interpreter, "comings.py")
    with Inside(target) as agent:
        agent.start("ctrace")
        target.ask("work()")
        target.ask("keep()")
        agent.stop()
    # WHEN it goes after us, and puts our trace function back
    target.ask("put_back()")
    # THEN all threads run as they should, and nothing of it is left
    assert target.ask("work()") == []
    assert target.ask("work()") == []
    assert target.ask("repr(threading._trace_hook)") == "None"

    # AND it can be measured again, even while all is put back once more
    target.ask("put_back()")
    with Inside(target) as agent:
        agent.start("ctrace")
        target.ask("work()")
        assert agent.points_until("comings.py", RAN) >= RAN
        agent.stop()


@pytest.mark.pythons("3.9", "3.11")
def test_a_profiler_that_is_put_back(interpreter: Interpreter, launch: Launch) -> None:
    """The hook of a trace that has ended does nothing, and keeps no other trace out."""
    # GIVEN a tool that came during a trace
    target = launch(interpreter, "comings.py")
    with Inside(target) as agent:
        connection = traced(agent)
        target.ask("keep()")
        connection.close()
    wait_for(lambda: target.ask("threading._profile_hook is None"), "the end of the trace")
    # WHEN it goes after us, and puts our trace function back
    target.ask("put_back()")
    assert target.ask("kept['profile'] is not None")
    assert target.ask("work()") == []
    # THEN another trace can begin
    with Inside(target) as agent:
        connection = traced(agent)
        assert target.ask("work()") == []
        connection.close()


@pytest.mark.pythons("3.9", "3.11", "3.13", stress=("3.10", "3.12"))
def test_what_a_debugger_has_left_behind(interpreter: Interpreter, launch: Launch) -> None:
    """Trace functions on frames of threads that are not traced any more are in nobody's way."""
    # GIVEN a target whose debugger has gone, but left its functions on frames
    target = launch(interpreter, "comings.py", "left")
    before, frames = target.residue(), target.ask("functions_of_frames()")
    assert "tool" in frames
    with Inside(target) as agent:
        # WHEN it is measured, THEN that works, and none of these is called
        agent.start("ctrace")
        target.ask("work()")
        assert agent.points_until("comings.py", RAN) >= RAN
        agent.stop()
    ended(target, before)
    # AND these functions are on the frames again
    assert target.ask("functions_of_frames()") == frames
    assert target.ask("seen") == []
