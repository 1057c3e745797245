"""The detour keeps all registers of the thread that it is made by, those of AVX-512 too."""

from __future__ import annotations

import pytest
from support.cycles import Figures, cycle
from support.interpreters import Interpreter
from support.targets import Launch


@pytest.mark.pythons("3.9", "3.11", "3.13")
@pytest.mark.parametrize("state", ["spinning", "asleep"])
def test_kept(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """Attaches change no register, where the line is armed and where it is run at once."""
    # GIVEN a target whose main thread looks at its registers all the time, and ends if one differs
    target = launch(interpreter, "states.py", state)

    # WHEN it is attached to and left, THEN it runs on
    figures = Figures()
    for _ in range(4):
        cycle(target, figures)
    print(figures)
