"""Processes that fork while they are attached to, as servers do that fork for each request."""

from __future__ import annotations

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
def test_forks_often(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Attached to while it forks 40 times a second, a process has no thread of ours in forks."""
    check_forks(launch(interpreter, "forks.py", "often"), covattach, 1)


@pytest.mark.pythons("3.14", stress=("3.9", "3.13"))
def test_sleeps_and_forks(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """Nor has one that forks as soon as it wakes up, in the middle of the attach."""
    check_forks(launch(interpreter, "forks.py", "sleep"), covattach, 2)


@pytest.mark.pythons("3.14", stress=("3.12", "3.13", "3.15"))
def test_forks_and_ends(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A fork in the midst of a stop waits for it: no thread is there, and no half of a session."""
    # GIVEN a process that does nothing but fork
    target = launch(interpreter, "forks.py", "always")

    # WHEN sessions end meanwhile
    for _ in range(6):
        covattach("start", target.pid)
        target.ask("crowds.clear()")  # where gdb got in, it may have done so in a thread
        covattach("stop", target.pid, "--no-dump")

        # THEN it was alone at each fork, and no child has come to harm
        assert target.ask("crowds") == []
    assert target.ask("sum(statuses)") == 0


def check_forks(target: Target, covattach: Covattach, attaches: int) -> None:
    """Attach to it so often; fail unless our thread is gone in forks, and back after each."""
    for _ in range(attaches):
        # GIVEN a process that forks meanwhile, WHEN it is attached to
        covattach("start", target.pid)

        # THEN our thread is not there in forks, and answers afterwards
        assert target.ask("[fork(), fork(), fork()]") == [[1], [1], [1]]
        covattach("stop", target.pid, "--no-dump")

        # AND no child has come to harm
        assert target.ask("set(statuses) == {0} and fork()") == [1]
