"""A signal handler of the application's that raises in the middle of measuring code."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch
from support.waiting import wait_for

SIGNALS = 1500


@pytest.mark.pythons("3.9", "3.12", "3.13", "3.14", "3.15")
def test_no_lock_is_left(interpreter: Interpreter, launch: Launch) -> None:
    """Other threads go on although the exceptions leave measuring half-done: no lock is held."""
    # GIVEN a target whose main thread is interrupted all the time while it runs new code
    target = launch(interpreter, "raising.py")
    with Inside(target) as agent:
        # WHEN it is measured for many signals
        agent.start()
        before = target.ask("count[0]")
        wait_for(lambda: target.ask("count[0]") > before + SIGNALS, "signals")

        # THEN another thread can run new code, it is dumped, and measuring ends
        assert target.ask("fresh()") is True
        assert agent.dump().points
        agent.stop()
    assert target.ask("fresh()") is True
