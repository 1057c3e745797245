"""Every wait is over by --timeout, and what is said of it is so: also after a Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Interpreter
from running import Covattach, Target, wait_for

Launch = Callable[..., Target]
SECONDS = 80.0  # generous, for a time-out of 20 s: it was 180 s
LEFT = "ends by itself as soon as Python can run there"


def let_go(target: Target, before: dict[str, Any]) -> None:
    """Let the target give the GIL away: then nothing is left of the agent."""
    target.tell("let go")
    target.line("alone")
    wait_for(lambda: target.traces() == before, "nothing is left")


@pytest.mark.stress
@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_a_gil_that_goes_away(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that keeps the GIL once the line has run is waited for until the time-out."""
    # GIVEN a target that keeps the GIL as soon as there is an agent in it
    target = launch(interpreter, "keeping.py")
    before = target.traces()

    # WHEN it is attached to
    began = time.monotonic()
    done = covattach.run("start", target.pid, "--timeout", "20s")

    # THEN covattach gives up in time, and says what is left; and that is so
    assert time.monotonic() - began < SECONDS
    assert done.code == 5, done.err
    assert LEFT in done.line("Error: ")
    target.line("keeps")
    let_go(target, before)


@pytest.mark.pythons("3.11", stress=("3.9", "3.13", "3.14"))
def test_an_interruption_that_undoes_nothing(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A Ctrl-C while nothing can be undone does not say that it is."""
    # GIVEN a target that keeps the GIL while it is attached to
    target = launch(interpreter, "keeping.py")
    before = target.traces()
    popen = covattach.begin("start", target.pid)
    target.line("keeps")

    # WHEN that is interrupted
    popen.send_signal(signal.SIGINT)
    done = covattach.end(popen, SECONDS)

    # THEN it says what is left; and that is so
    assert "has been undone" not in done.err
    assert LEFT in done.line("Interrupted")
    let_go(target, before)
