"""Greenlets that are suspended at the attach: measured from their resumption on, exactly."""

from __future__ import annotations

from typing import Any

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, Target
from support.waiting import wait_for
from test_adoption import lines_by_name

SCRIPT = "greenlets.py"
KINDS = ("greenlet", "bare", "gevent", "eventlet")
EACH = pytest.mark.pythons("3.9", "3.11", "3.12", "3.13", "3.14")
END = (TARGETS / SCRIPT).read_text().splitlines().index("def many(count):")
HAPPEN = """
    pause check, check work, check for, work for, for again, again for, for kept, kept finally,
    finally waits(number),
    work(number) odd, odd add, add worked, odd worked, worked work(number),
    paused yield, yield more, more while, while paused, while steps(),
    taking take, take taking, taking takes(),
    looped looping, looping looped, looped loops(),
    new() newly, newly new()
"""


def happening() -> set[tuple[int, int]]:
    """Return the arcs that happen once the greenlets are resumed."""
    lines = lines_by_name(SCRIPT)
    arcs = [arc.split() for arc in HAPPEN.split(",")]
    return {(lines[first], lines[second]) for first, second in arcs}


def before_end(points: set[Any]) -> set[Any]:
    """Return the lines or arcs up to END, which are compared."""
    return {one for one in points if abs(one[0] if isinstance(one, tuple) else one) <= END}


def measured(target: Target, core: str, **settings: Any) -> set[Any]:
    """Return the measured lines or arcs of a target whose greenlets are resumed after the start."""
    with Inside(target) as agent:
        facts = agent.start(core, **settings)
        assert (facts["core"], facts["warnings"]) == (core, [])
        target.ask("go.set()")
        assert target.ask("ended.wait(30)") is True
        return before_end(set(agent.stop().files.get(str(TARGETS / SCRIPT), ())))


@pytest.mark.pythons("3.12", "3.13", "3.14")
@pytest.mark.parametrize("kind", KINDS)
def test_lines_by_sysmon(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """Exactly the lines that are executed from the resumption on are there."""
    found = measured(launch(interpreter, SCRIPT, kind), "sysmon")
    assert found == {second for _, second in happening() if second > 0}


@pytest.mark.pythons("3.14")
@pytest.mark.parametrize("kind", KINDS)
def test_branches_by_sysmon(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """Branches taken from the resumption on are there, and no arc that does not happen."""
    found = measured(launch(interpreter, SCRIPT, kind), "sysmon", branch=True)
    between = {arc for arc in found if arc[0] != arc[1]}
    assert {first for first, _ in found - between} == {to for _, to in happening() if to > 0}
    lines = lines_by_name(SCRIPT)
    sources = {lines[name] for name in ("check", "for", "odd", "while", "taking", "looping")}
    assert {arc for arc in happening() if arc[0] in sources} <= between <= happening()


@pytest.mark.pythons("3.11", "3.14")
def test_what_the_target_is_configured_for(interpreter: Interpreter, launch: Launch) -> None:
    """The concurrency of its configuration neither fails a start nor makes a worse core of it."""
    target = launch(interpreter, SCRIPT, "gevent")
    concurrency = ["gevent", "multiprocessing"]
    core = "sysmon" if interpreter.minor >= (3, 14) else "ctrace"
    found = measured(target, core, concurrency=concurrency)
    assert found == {second for _, second in happening() if second > 0}


# What a trace function has left in greenlets that are suspended.
TRACED = """(lambda kind: [
    frame.f_code.co_name for one in __import__("gc").get_objects() if isinstance(one, kind)
    for frame in answering.stack(one.gr_frame) if frame.f_trace is not None
])(sys.modules["greenlet"].greenlet)""".replace("\n", " ")


@pytest.mark.pythons("3.9", "3.11", "3.12", "3.14")
@pytest.mark.parametrize("kind", ["bare", "gevent"])
def test_stop_and_start_again(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """A stop leaves nothing in suspended greenlets, and they are measured by the next session."""
    # GIVEN a target whose greenlets were suspended all through a session
    target = launch(interpreter, SCRIPT, kind)
    with Inside(target) as agent:
        agent.start("ctrace", branch=True)
        agent.stop()
    wait_for(lambda: len(target.traces()["threads"]) <= 3, "the end of the agent")

    # THEN no trace function is left in them
    assert target.ask(TRACED) == []

    # WHEN they are resumed in another session, THEN that has their arcs
    assert measured(target, "ctrace", branch=True) == happening()

    # AND nobody follows their switches any more
    if kind == "gevent":
        wait_for(lambda: target.ask("followers") == ["None"], "the next switch")


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_arcs(interpreter: Interpreter, kind: str, launch: Launch) -> None:
    """The C tracer has each arc that happens, and no other."""
    found = measured(launch(interpreter, SCRIPT, kind), "ctrace", branch=True)
    assert found == happening()


@pytest.mark.pythons("3.9", "3.11", "3.13")
def test_greenlets_that_have_ended_leave_nothing(interpreter: Interpreter, launch: Launch) -> None:
    """30,000 of them do not grow a target that the C tracer measures, as short threads do not."""
    # GIVEN a target that is measured, and has run some greenlets
    target = launch(interpreter, SCRIPT, "greenlet")
    with Inside(target) as agent:
        agent.start("ctrace")
        target.ask("many(2000)")
        before = int(target.status("VmRSS").split()[0])

        # WHEN it runs many more, THEN it has not grown by a tenth of a KB for each
        assert target.ask("many(30000)") == 30000
        assert int(target.status("VmRSS").split()[0]) - before < 3000
        agent.stop()
