"""Every kind of concurrency: the same lines and arcs as stock coverage from that moment on."""

from __future__ import annotations

from typing import Any

import pytest
from coverage.parser import PythonParser
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, Target

SCRIPT = "kinds.py"
KINDS = ("in_threads", "one_function", "generators", "coroutines", "executed", "pool")
EACH = pytest.mark.pythons("3.9", "3.11", "3.12", "3.14", stress=("3.10", "3.13", "3.15"))


# The main thread goes on by itself while the gate is shut: from here on the script is not compared.
END = (TARGETS / SCRIPT).read_text().splitlines().index("def runs(threads):")


def before_end(points: set[Any]) -> set[Any]:
    """Return the lines or arcs up to END, which are compared."""
    return {one for one in points if abs(one[0] if isinstance(one, tuple) else one) <= END}


def goes_on(target: Target) -> None:
    """Open the gate, and wait for the end."""
    target.ask("go.set()")
    assert target.ask("ended.wait(30)") is True


def reference(
    interpreter: Interpreter,
    launch: Launch,
    kind: str,
    what: str,
    core: str = "ctrace",
    script: str = SCRIPT,
) -> set[Any]:
    """Return the lines or arcs from the gate on that stock coverage has, run from the beginning."""
    target = launch(interpreter, SCRIPT, kind, what, core)
    target.ask("referee.forget()")
    goes_on(target)
    found = target.ask(f"referee.points({str(TARGETS / script)!r})")
    return before_end({tuple(point) if what == "arcs" else point for point in found})


def measured(
    interpreter: Interpreter,
    launch: Launch,
    kind: str,
    core: str,
    script: str = SCRIPT,
    **settings: Any,
) -> set[Any]:
    """Return the lines or arcs from the gate on that covattach has, attached at the gate."""
    target = launch(interpreter, SCRIPT, kind)
    with Inside(target) as agent:
        facts = agent.start(core, **settings)
        assert (facts["core"], facts["warnings"]) == (core, [])
        goes_on(target)
        return before_end(set(agent.stop().files.get(str(TARGETS / script), ())))


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


def branches(arcs: set[Any]) -> set[Any]:
    """Return those of the arcs that begin where coverage sees more than one way to go on."""
    parser = PythonParser(filename=str(TARGETS / SCRIPT))
    parser.parse_source()
    ways = parser.exit_counts()
    return {arc for arc in arcs & parser.arcs() if ways.get(arc[0], 0) > 1}


@pytest.mark.pythons("3.14", "3.15")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_branches(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """The sysmon core has all lines, all branches that were taken, and no arc that was not."""
    # GIVEN stock coverage's arcs and lines from the gate on, by both cores
    happened = reference(interpreter, launch, kind, "arcs")
    lines = reference(interpreter, launch, kind, "lines")
    stock = reference(interpreter, launch, kind, "arcs", "sysmon")
    # WHEN it is attached to at the gate
    found = measured(interpreter, launch, kind, "sysmon", branch=True)
    # THEN the lines are the same, which this core tells by arcs from a line to itself
    between = {arc for arc in found if arc[0] != arc[1]}
    assert {first for first, _ in found - between} == lines

    # AND so are the branches
    assert branches(happened) <= found

    # AND nothing is there that stock coverage has not
    assert found <= stock

    # AND nothing that did not happen.  What `exec` runs under the name of another text is the
    # exception: this core looks up in that text where an instruction ends.
    assert between <= happened or kind == "executed"


@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
@pytest.mark.parametrize("kind", ["imported", "processes"])
def test_what_comes_later(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """Modules imported or reloaded later, and parents of processes, have exactly stock's lines."""
    core = "sysmon" if interpreter.minor >= (3, 13) else "ctrace"
    expected = reference(interpreter, launch, kind, "lines")
    assert expected
    assert measured(interpreter, launch, kind, core) == expected
    if kind == "imported":
        expected = reference(interpreter, launch, kind, "lines", script="imports_later.py")
        assert expected
        assert measured(interpreter, launch, kind, core, script="imports_later.py") == expected


@EACH
@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_raw_threads(interpreter: Interpreter, core: str, launch: Launch) -> None:
    """Threads that `threading` does not know of are measured, if they run when we come."""
    if core == "sysmon" and interpreter.minor < (3, 12):
        core = "ctrace"
    found = measured(interpreter, launch, "raw", core)
    assert found & marked(SCRIPT, "# raw") == marked(SCRIPT, "# raw")

    # AND those that start later too by sysmon; by trace functions not, as docs/limits.md says:
    # nor does stock coverage see them
    found = measured(interpreter, launch, "late", core)
    late = marked(SCRIPT, "# late")
    assert found & late == (late if core == "sysmon" else set())
    assert reference(interpreter, launch, "late", "lines", core) & late == found & late
