"""Our first line runs in no thread of the application's, whether busy or blocked."""

from __future__ import annotations

import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import wait_for

ATTACHES = 3


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
def test_small_stacks(interpreter: Interpreter, launch: Launch, covattach: Covattach) -> None:
    """Our threads have stacks of their own size; `threading.stack_size()` is as before."""
    size = 32768 if interpreter.minor < (3, 14) else 1 << 16
    target = launch(interpreter, "stacks.py", size)
    covattach("start", target.pid)
    target.ask("later()")
    assert covattach("dump", target.pid, "--json", "--no-html").facts["lines"]
    covattach("stop", target.pid, "--no-dump")
    assert target.ask("threading.stack_size()") == size


@pytest.mark.pythons("3.9", stress=("3.11", "3.13", "3.14"))
def test_alternate_stack(interpreter: Interpreter, launch: Launch, covattach: Covattach) -> None:
    """A main thread that waits in a signal handler, on a stack of 8 KB, is no obstacle."""
    target = launch(interpreter, "stacks.py", "alternate")
    wait_for(lambda: target.ask("threading.active_count()") == 2, "the handler")
    covattach("start", target.pid)
    target.ask("later()")
    assert covattach("dump", target.pid, "--json", "--no-html").facts["lines"]
    covattach("stop", target.pid, "--no-dump")
    assert target.ask("1") == 1


@pytest.mark.pythons("3.11", "3.14", stress=("3.9", "3.13"))
def test_handler_that_raises(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """Each exception of a signal handler of the application's arrives in the application."""
    target = launch(interpreter, "limited.py")
    for _ in range(ATTACHES):
        covattach("start", target.pid)
        covattach("stop", target.pid, "--no-dump")
    count = target.ask("dict(count)")
    assert "lost" not in count
    assert 0 <= count["raised"] - count["arrived"] <= 1
    assert count["raised"] > 100


@pytest.mark.pythons("3.14")
def test_signals_that_are_rare(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """A program that handles SIGTERM, as servers do, is attached to without being stopped."""
    target = launch(interpreter, "ending.py", "handler")
    assert covattach("start", target.pid, "--json").facts["method"] == "remote-exec"
    covattach("stop", target.pid, "--no-dump")
