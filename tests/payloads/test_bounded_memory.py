"""Measuring keeps nothing of threads that have ended, nor of code that was dropped."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target

EVERY = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
MEGABYTES = 1 << 20
SOME = 2_000  # after so many, all that has to be there anyway is there


def growth(target: Target, what: str, count: int) -> int:
    """Return by how many bytes the target's resident memory grows."""
    assert target.ask(f"{what}({SOME})") == SOME
    before = target.ask("memory()")
    for _ in range(count // SOME):
        assert target.ask(f"{what}({SOME})") == SOME
    return int(target.ask("memory()")) - int(before)


def compare(
    interpreter: Interpreter, launch: Launch, what: str, count: int, **settings: object
) -> int:
    """Return by how much more a measured target grows than one that is not, in bytes."""
    control = growth(launch(interpreter, "growing.py"), what, count)
    target = launch(interpreter, "growing.py")
    with Inside(target) as agent:
        core = settings.pop("core", None)
        facts = agent.start(str(core) if core else None, **settings)
        measured = growth(target, what, count)
        assert agent.points("growing.py"), "the target was not measured"
        agent.stop()
    print(f"{interpreter.id} {facts['core']} {settings} {count} {what}:")
    print(f"{measured / MEGABYTES:.1f} MB, control {control / MEGABYTES:.1f} MB")
    return measured - control


KINDS = pytest.mark.parametrize("what", ["threads", "pieces"])
CORES = pytest.mark.parametrize("core", ["default", "ctrace", "branch"])


@KINDS
@CORES
@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13", "3.15"))
def test_no_growth(interpreter: Interpreter, core: str, what: str, launch: Launch) -> None:
    """10,000 threads or pieces of code leave less than 2 MB more than without measuring."""
    settings: dict[str, object] = {"branch": True} if core == "branch" else {}
    settings.update({"core": "ctrace"} if core == "ctrace" else {})
    assert compare(interpreter, launch, what, 10_000, **settings) < 2 * MEGABYTES


@KINDS
@CORES
@pytest.mark.stress
@pytest.mark.timeout(1800)
@pytest.mark.pythons(*EVERY)
def test_no_growth_in_the_long_run(
    interpreter: Interpreter, core: str, what: str, launch: Launch
) -> None:
    """100,000 threads or pieces of code leave at most 10 MB more than without measuring."""
    settings: dict[str, object] = {"branch": True} if core == "branch" else {}
    settings.update({"core": "ctrace"} if core == "ctrace" else {})
    assert compare(interpreter, launch, what, 100_000, **settings) <= 10 * MEGABYTES
