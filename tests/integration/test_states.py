"""Targets in every state in which an attach could do harm, or could fail to get in."""

from __future__ import annotations

import pytest
from support.cycles import BLOCKED, BUSY, Figures, cycle
from support.interpreters import Interpreter
from support.targets import Launch

CHANGING = ("crowded", "importing", "churning")  # threads and descriptors come and go there
EVERY = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
@pytest.mark.parametrize("state", BUSY + BLOCKED)
def test_in_any_state(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """A target is measured, and lives on, in every delicate or blocked state."""
    # GIVEN a target that is busy in a delicate place, or blocked in a system call
    target = launch(interpreter, "states.py", state)
    before = target.traces()

    # WHEN it is attached to and left
    figures = Figures()
    cycle(target, figures)
    print(figures)

    # THEN it runs on as before; the fixture has seen to it that it did not come to harm
    target.ask("later()")
    if state not in CHANGING:
        assert target.traces() == before
