"""Every kind of concurrency: the same lines and arcs as stock coverage from that moment on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Interpreter
from inside import Inside, marked
from running import TARGETS, Target

Launch = Callable[..., Target]
SCRIPT = "kinds.py"
KINDS = ("in_threads", "one_function", "generators", "coroutines", "executed", "pool")
EACH = pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


# The main thread goes on by itself while the gate is shut: from here on the script is not compared.
END = (TARGETS / SCRIPT).read_text().splitlines().index("def runs(threads):")


def before_end(points: set[Any]) -> set[Any]:
    """Return the lines or arcs of what is compared."""
    return {one for one in points if abs(one[0] if isinstance(one, tuple) else one) <= END}


def goes_on(target: Target) -> None:
    """Open the gate, and wait for the end."""
    target.ask("go.set()")
    assert target.ask("ended.wait(30)") is True


def reference(interpreter: Interpreter, launch: Launch, kind: str, what: str) -> set[Any]:
    """Return what stock coverage has, which has run from the beginning, of what was after."""
    target = launch(interpreter, SCRIPT, kind, what)
    target.ask("referee.forget()")
    goes_on(target)
    found = target.ask(f"referee.points({str(TARGETS / SCRIPT)!r})")
    return before_end({tuple(point) if what == "arcs" else point for point in found})


def measured(
    interpreter: Interpreter, launch: Launch, kind: str, core: str, **settings: Any
) -> set[Any]:
    """Return what we have, who have come to the gate."""
    target = launch(interpreter, SCRIPT, kind)
    with Inside(target) as agent:
        facts = agent.start(core, **settings)
        assert (facts["core"], facts["warnings"]) == (core, [])
        goes_on(target)
        return before_end(set(agent.stop().files.get(str(TARGETS / SCRIPT), ())))


@EACH
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_the_same_lines(interpreter: Interpreter, core: str, kind: str, launch: Launch) -> None:
    """The lines are exactly those that stock coverage has from the gate on."""
    if core == "sysmon" and interpreter.minor < (3, 12):
        core = "ctrace"
    expected = reference(interpreter, launch, kind, "lines")
    assert expected
    assert measured(interpreter, launch, kind, core) == expected


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_arcs(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """The C tracer has exactly the arcs that stock coverage has from the gate on."""
    expected = reference(interpreter, launch, kind, "arcs")
    assert expected
    assert measured(interpreter, launch, kind, "ctrace", branch=True) == expected


@pytest.mark.pythons("3.14", "3.15")
@pytest.mark.parametrize("kind", KINDS)
def test_no_arc_is_made_up(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """The sysmon core has arcs between two lines only where they happened, and all lines."""
    expected = reference(interpreter, launch, kind, "arcs")
    found = measured(interpreter, launch, kind, "sysmon", branch=True)
    assert {arc for arc in found if arc[0] != arc[1]} <= expected
    lines = reference(interpreter, launch, kind, "lines")
    assert {first for first, second in found if first == second} == lines


@EACH
@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_raw_threads(interpreter: Interpreter, core: str, launch: Launch) -> None:
    """Threads that `threading` does not know of are measured, if they run when we come."""
    if core == "sysmon" and interpreter.minor < (3, 12):
        core = "ctrace"
    found = measured(interpreter, launch, "raw", core)
    assert found & marked(SCRIPT, "# raw") == marked(SCRIPT, "# raw")

    # AND those that start later too by sysmon; by trace functions not, as docs/limits.md says
    found = measured(interpreter, launch, "late", core)
    late = marked(SCRIPT, "# late")
    assert found & late == (late if core == "sysmon" else set())
