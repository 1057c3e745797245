"""Forks of which only one half meets a session: none is the slower for it, now or later."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import wait_for

from covattach.injector.bootstrap_line import bootstrap_line

QUIETLY = ("-W", "ignore")  # of the one fork that our thread comes into


class Meanwhile(Inside):
    """A session that is launched in the middle of a fork of its target."""

    def __enter__(self) -> Meanwhile:
        """Launch the agent, and wait until it listens."""
        self.prepare()
        assert self.target.ask(f"fork_meanwhile({bootstrap_line(str(self.path)).decode()!r})")
        wait_for(self.is_ready, "the agent listens")
        return self


def measured_forks_are_alone(agent: Inside) -> None:
    """Fail unless our thread is gone in later forks, and back after each."""
    target = agent.target
    agent.start()
    target.ask("be_strict()")
    assert target.ask("fork(3)") == [1, 1, 1]
    assert agent.ask("status")[0]["measuring"]
    assert target.ask("fork(2)") == [1, 1]
    agent.stop()


@pytest.mark.pythons("3.9", "3.13", "3.14", stress=("3.11", "3.12", "3.15"))
def test_launched_in_the_middle_of_a_fork(interpreter: Interpreter, launch: Launch) -> None:
    """A fork that has begun before the hooks were registered ends without having sent us away."""
    # GIVEN a target, WHEN an agent comes in the middle of its first fork
    target = launch(interpreter, "forks.py", "answer", options=QUIETLY)
    before = target.residue()
    with Meanwhile(target) as agent:
        # THEN later forks find no thread of ours
        measured_forks_are_alone(agent)
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")

    # AND in a further session even that one does not, because the hooks are there
    with Meanwhile(target) as agent:
        assert target.ask("present") == [1]
        measured_forks_are_alone(agent)
    wait_for(lambda: target.traces()["threads"] == before["threads"], "the end")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.14")
def test_launched_while_another_thread_forks(interpreter: Interpreter, launch: Launch) -> None:
    """A session that begins while a thread is in the middle of a fork is not its business."""
    # GIVEN a target with the hooks of an earlier session, and a thread in the middle of a fork
    target = launch(interpreter, "forks.py", "answer", options=QUIETLY)
    with Inside(target) as agent:
        agent.start()
        agent.stop()
    assert target.ask("fork_and_hold()")

    # WHEN another session begins / THEN it is there, and later forks find no thread of ours
    with Inside(target) as agent:
        assert target.ask("release()") == 1
        measured_forks_are_alone(agent)


@pytest.mark.pythons("3.9", "3.14")
def test_a_fork_outlasts_a_session(interpreter: Interpreter, launch: Launch) -> None:
    """A fork that has sent away the thread of one session does not call back that of another."""
    # GIVEN a measured target of which a thread is in the middle of a fork, our thread away
    target = launch(interpreter, "forks.py", "answer", options=QUIETLY)
    with Inside(target) as agent:
        agent.start()
        assert target.ask("fork_and_hold()")
        wait_for(lambda: len(target.traces()["threads"]) == 2, "our thread is gone")

        # WHEN the main thread forks too, and once more / THEN our thread is there for none of it
        assert target.ask("fork(2)") == [2, 2]

        # AND it is back when both have forked
        assert target.ask("release()") == 1
        measured_forks_are_alone(agent)
