"""SIGTERM, which the application may take or leave at any time: ours is told from theirs."""

from __future__ import annotations

import os
import signal

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

FORK = "[os.waitpid(one, 0)[1] if one else os._exit(0) for one in [os.fork()]]"
PAUSE = "[__import__('signal').pause() for _ in iter(int, 1)]"
C_FORK = f"[one or {PAUSE} for one in [__import__('ctypes').CDLL(None).fork()]][0]"
C_SIGNAL = "__import__('ctypes').CDLL(None).signal(15, {})"
ABS = "__import__('ctypes').CDLL(None).abs"  # takes a number, and does nothing with it


def told(target: Target) -> int:
    """Return how much the target's own traces have."""
    return int(target.ask("os.path.getsize('traces')"))


def writes_traces(target: Target) -> None:
    """Fail unless SIGTERM has the target write its traces, and go on."""
    before = told(target)
    os.kill(target.pid, signal.SIGTERM)
    wait_for(lambda: told(target) > before, "the target's own traces")


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_one_that_registers_it_with_faulthandler(interpreter: Interpreter, launch: Launch) -> None:
    """A handler that the application registers meanwhile stays, through forks and the end."""
    # GIVEN a measured target that makes faulthandler write its traces at SIGTERM
    target = launch(interpreter, "idle.py", "event")
    threads = len(target.traces()["threads"])
    with Inside(target) as agent:
        agent.start()
        # Of this thread only: looking at others that run, faulthandler can crash by itself.
        target.ask("__import__('faulthandler').register(15, open('traces', 'a'), False, False)")
        writes_traces(target)
        # WHEN it forks, and when the session ends, THEN it is still so
        assert target.ask(FORK) == [0]
        agent.dump()
        writes_traces(target)
        agent.stop()
    wait_for(lambda: len(target.traces()["threads"]) == threads, "the end")
    writes_traces(target)


@pytest.mark.pythons("3.11", "3.14")
def test_one_that_handles_it_in_c(interpreter: Interpreter, launch: Launch) -> None:
    """A handler that C code has set meanwhile stays, through forks and the end."""
    # GIVEN a target that is measured, and in which C code handles SIGTERM then
    target = launch(interpreter, "idle.py", "event")
    threads = len(target.traces()["threads"])
    with Inside(target) as agent:
        agent.start()
        target.ask(C_SIGNAL.format(ABS))
        os.kill(target.pid, signal.SIGTERM)
        # WHEN it forks, and when the session ends
        assert target.ask(FORK) == [0]
        os.kill(target.pid, signal.SIGTERM)
        agent.stop()
    wait_for(lambda: len(target.traces()["threads"]) == threads, "the end")

    # THEN it goes on handling it
    os.kill(target.pid, signal.SIGTERM)
    assert target.ask("1 + 1") == 2
    # AND faulthandler is there for the application, as it was
    assert target.ask("__import__('faulthandler').unregister(15)") is False


@pytest.mark.pythons("3.9", "3.14")
def test_one_that_leaves_it_to_the_default_anew(interpreter: Interpreter, launch: Launch) -> None:
    """SIGTERM that is given back to the default is caught again: the last lines are saved."""
    # GIVEN a target that is measured, and sets the default then
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()
        target.ask(C_SIGNAL.format("None"))
        # WHEN a moment later it comes, THEN the target ends by it, and its lines are saved
        wait_for(lambda: int(target.status("SigCgt"), 16) >> 14 & 1, "it is caught again")
        os.kill(target.pid, signal.SIGTERM)
        assert target.wait() == -signal.SIGTERM
        assert (agent.path / "snapshot").exists()


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_a_child_that_c_code_has_forked(interpreter: Interpreter, launch: Launch) -> None:
    """A child that Python does not know of ends when it is told to, and the parent goes on."""
    # GIVEN a target that is measured, and of which C code has forked a child
    target = launch(interpreter, "idle.py", "event")
    with Inside(target) as agent:
        agent.start()
        child = int(target.ask(C_FORK))
        # WHEN the child is told to end, THEN it does
        os.kill(child, signal.SIGTERM)
        assert target.ask(f"os.waitpid({child}, 0)[1]") in (signal.SIGTERM, signal.SIGKILL)
        # AND the session goes on
        agent.dump()
        agent.stop()
