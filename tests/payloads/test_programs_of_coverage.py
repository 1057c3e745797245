"""coverage's own test programs, attached to in their middle: all that stock coverage has then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.coverage_programs import CONCURRENT
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import Launch, Target


def written(name: str, folder: Path) -> Path:
    """Write a program down, and return its file."""
    path = folder / "try_it.py"
    path.write_text(CONCURRENT[name].text("go.wait()"))
    return path


def goes_on(target: Target) -> None:
    """Let the program go on, and wait for its end."""
    target.ask("go.set()")
    assert target.ask("ended.acquire(True, 30)") is True


def reference(
    interpreter: Interpreter, launch: Launch, name: str, path: Path, what: str
) -> set[Any]:
    """Return the lines or arcs from the gate on that stock coverage has, run from the beginning."""
    how = (what, "ctrace", *CONCURRENT[name].concurrency)
    target = launch(interpreter, "theirs.py", path, *how)
    target.ask("settle()")
    target.ask("referee.forget()")
    goes_on(target)
    points = target.ask(f"referee.points({str(path)!r})")
    return {tuple(point) if what == "arcs" else point for point in points}


def measured(
    interpreter: Interpreter, launch: Launch, path: Path, core: str, **settings: Any
) -> set[Any]:
    """Return the lines or arcs from the gate on that covattach has, attached at the gate."""
    target = launch(interpreter, "theirs.py", path)
    target.ask("settle()")
    with Inside(target) as agent:
        facts = agent.start(core, **settings)
        assert (facts["core"], facts["warnings"]) == (core, [])
        goes_on(target)
        return set(agent.stop().files[str(path)])


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
@pytest.mark.parametrize("name", CONCURRENT)
def test_the_same_lines(
    interpreter: Interpreter, name: str, launch: Launch, tmp_path: Path
) -> None:
    """The lines are exactly those that stock coverage has from that moment on, by either core."""
    path = written(name, tmp_path)
    expected = reference(interpreter, launch, name, path, "lines")
    assert expected
    for core in ("ctrace", "sysmon") if interpreter.minor >= (3, 12) else ("ctrace",):
        assert measured(interpreter, launch, path, core) == expected


# Of greenlets that are switched, stock coverage has arcs from a line of one to a line of another.
@pytest.mark.pythons("3.9", "3.14")
@pytest.mark.parametrize("name", sorted(CONCURRENT.keys() - {"greenlet"}))
def test_the_same_arcs(interpreter: Interpreter, name: str, launch: Launch, tmp_path: Path) -> None:
    """The C tracer has exactly the arcs that stock coverage has from that moment on."""
    path = written(name, tmp_path)
    expected = reference(interpreter, launch, name, path, "arcs")
    assert expected
    assert measured(interpreter, launch, path, "ctrace", branch=True) == expected
