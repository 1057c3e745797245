"""Threads that come and go while others are adopted: nothing is harmed."""

from __future__ import annotations

import time

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

CYCLES = 5


def cycle(target: Target, **settings: bool) -> None:
    """Measure once, from start to stop, while the target goes on."""
    with Inside(target) as agent:
        assert agent.start("ctrace", **settings)["warnings"] == []
        agent.stop()


def cycles(target: Target, seconds: float) -> int:
    """Start and stop for so long; return how often."""
    deadline = time.monotonic() + seconds
    count = 0
    while time.monotonic() < deadline:
        cycle(target, branch=bool(count % 2))
        count += 1
    return count


def goes_on(target: Target) -> None:
    """Fail unless the target still starts threads."""
    rounds = target.ask("rounds")
    wait_for(lambda: target.ask("rounds") > rounds + 2, "threads are started still")


def test_threads_that_come_and_go(interpreter: Interpreter, launch: Launch) -> None:
    """Starts and stops in a row do not harm a target whose threads live for a moment."""
    # GIVEN a target that starts threads all the time
    target = launch(interpreter, "churn.py")

    # WHEN it is measured again and again
    for number in range(CYCLES):
        cycle(target, branch=bool(number % 2))

    # THEN it lives, and goes on
    goes_on(target)


@pytest.mark.stress
@pytest.mark.parametrize("turn", range(12))
def test_threads_that_come_and_go_for_long(
    interpreter: Interpreter, turn: int, launch: Launch
) -> None:
    """The same in a dozen targets, for five seconds each."""
    # GIVEN a target that starts threads all the time
    target = launch(interpreter, "churn.py")

    # WHEN it is measured again and again
    print(f"{cycles(target, 5)} cycles on {interpreter.id}")

    # THEN it lives, and goes on
    goes_on(target)
