"""Functions that the application has replaced, guarded or taken away: none of them is used."""

from __future__ import annotations

import time

import pytest
from support.inside import Inside, compile_for
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch, Target
from support.waiting import wait_for

from covattach.errors import PayloadFailed
from covattach.session.folder import SessionFolder


def threads(target: Target) -> object:
    """Return the threads that there are."""
    return target.traces()["threads"]


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("how", ["clocks", "guarded", "emptied"])
def test_what_is_replaced_is_not_used(
    interpreter: Interpreter, how: str, when: str, launch: Launch
) -> None:
    """A session begins, tells its time, is dumped and ends, and calls nothing that is replaced."""
    # GIVEN a target that has replaced functions, or does so once it is measured
    target = launch(interpreter, "replaced.py", how)
    before = threads(target)
    if when == "before":
        target.ask("replace()")
    agent = Inside(target)
    compile_for(interpreter, agent.path)
    with agent:
        facts = agent.start()
        if when == "during":
            target.ask("replace()")

        # WHEN it is dumped, told to begin a window, and dumped again
        target.ask("later()")
        assert agent.points("replaced.py") >= marked("replaced.py", "# later")
        agent.ask("mark", window="second")
        target.ask("later()")
        last = agent.stop()

        # THEN all is there, and the times are those of everybody
        assert set(last.windows) >= {"second"}
        assert abs(facts["since"] - time.time()) < 1000
    wait_for(lambda: threads(target) == before, "the agent's thread is gone")

    # AND no replaced function was called
    assert target.ask("called") == []


@pytest.mark.pythons("3.9", "3.14")
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("withheld", "builtins.exec is not to be used"),
        ("audited", "RuntimeError('no file is to be opened')"),
    ],
)
def test_what_cannot_be_done_without_is_told(
    interpreter: Interpreter, how: str, words: str, launch: Launch
) -> None:
    """Where nothing can be imported, or no file opened, the exception is told."""
    # GIVEN a target that lets nobody import, or open files
    target = launch(interpreter, "replaced.py", how)
    target.ask("replace()")
    before = threads(target)

    # WHEN the line is executed
    agent = Inside(target)
    compile_for(interpreter, agent.path)
    agent.execute()

    # THEN covattach can tell the exception, and nothing is left of us
    folder = SessionFolder(agent.path, str(agent.path))
    wait_for(lambda: words in folder.fault, f"it is told: {words}")
    wait_for(lambda: threads(target) == before, "the agent's thread is gone")
    agent.remove()


@pytest.mark.pythons("3.12", "3.14", stress=("3.13", "3.15"))
def test_monitoring_ends_where_callbacks_are_refused(
    interpreter: Interpreter, launch: Launch
) -> None:
    """An audit hook that raises when callbacks are taken back leaves us no tool, and no events."""
    # GIVEN a target that is measured by sys.monitoring
    target = launch(interpreter, "replaced.py", "unmonitored")
    before = threads(target)
    with Inside(target) as agent:
        agent.start(core="sysmon")
        target.ask("later()")

        # WHEN it comes to refuse callbacks, and the session is to end
        target.ask("replace()")
        with pytest.raises(PayloadFailed, match="payload failed"):
            agent.stop()

        # THEN the tool is given back, and the agent is gone
        wait_for(lambda: threads(target) == before, "the agent's thread is gone")
        assert target.ask("tools()") == []
        assert target.ask("hasattr(sys, 'covattach')") is False

    # AND where it refuses them from the beginning, a session that cannot begin leaves nothing
    with Inside(target) as agent:
        with pytest.raises(PayloadFailed, match="payload failed"):
            agent.start(core="sysmon")
        wait_for(lambda: threads(target) == before, "the agent's thread is gone")
        assert target.ask("tools()") == []

    # AND neither does a trace
    with Inside(target) as agent:
        with pytest.raises(PayloadFailed, match="payload failed"):
            agent.ask("trace")
        assert target.ask("tools()") == []
