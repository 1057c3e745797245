"""Many attaches: nothing dies, nothing hangs, nothing is corrupted, nothing fails."""

from __future__ import annotations

import pytest
from support.cycles import BUSY, WAITS, Figures, cycle
from support.interpreters import Interpreter, newest
from support.targets import Launch, Target

pytestmark = [pytest.mark.stress, pytest.mark.timeout(3600)]
EVERY = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
BUSY_CYCLES = 14  # with WAIT_CYCLES this makes 1,000 in all, over the seven versions
WAIT_CYCLES = 6


@pytest.mark.pythons(*EVERY)
@pytest.mark.parametrize("state", BUSY)
def test_a_busy_target(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """A target that is always in a delicate place survives attach after attach."""
    attach_again_and_again(launch(interpreter, "states.py", state), BUSY_CYCLES)


@pytest.mark.pythons(*EVERY)
@pytest.mark.parametrize("state", WAITS)
def test_an_idle_target(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """A target that waits in a system call survives attach after attach."""
    attach_again_and_again(launch(interpreter, "states.py", state), WAIT_CYCLES)


@pytest.mark.parametrize("minor", ["3.11", "3.13"])
def test_copied_memory_is_right(minor: str, launch: Launch) -> None:
    """No register is restored wrongly: 200 attaches while memcpy runs, and no copy differs."""
    attach_again_and_again(launch(newest(minor), "states.py", "copying"), 200)


@pytest.mark.parametrize("minor", ["3.11", "3.13"])
@pytest.mark.parametrize("state", ["spinning", "asleep"])
def test_registers_are_kept(minor: str, state: str, launch: Launch) -> None:
    """100 attaches, by either way of the detour, and no register of AVX-512 differs."""
    attach_again_and_again(launch(newest(minor), "states.py", state), 100)


def attach_again_and_again(target: Target, cycles: int) -> None:
    """Attach and stop `cycles` times; fail with the first cycle, and print the costs."""
    figures = Figures()
    for _ in range(cycles):
        cycle(target, figures, timeout=60)
    print(figures)
