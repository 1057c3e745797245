"""Adoption: code that ran before the start is measured from the start on, exactly."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, Target
from support.waiting import wait_for


@pytest.mark.parametrize("core", ["default", "ctrace"])
def test_exactly_the_lines_that_execute(
    interpreter: Interpreter, core: str, launch: Launch
) -> None:
    """Threads, frames, coroutines and generators that ran before are measured, and no more."""
    # GIVEN a target in which all kinds of code run already
    target = launch(interpreter, "mixture.py")
    with Inside(target) as agent:
        # WHEN it is measured
        facts = agent.start("ctrace" if core == "ctrace" else None)

        # THEN the lines that go on are there, and none else
        running = marked("mixture.py", "# on")
        assert agent.points_until("mixture.py", running) == running
        assert facts["warnings"] == []
        by_sysmon = core == "default" and interpreter.minor >= (3, 12)
        assert facts["core"] == ("sysmon" if by_sysmon else "ctrace")

        # WHEN more is executed: a call, and a generator that is closed while it is suspended
        assert target.ask("later(3)") == 3
        target.ask("suspended.close()")

        # THEN that is there too
        snapshot = agent.stop()
        assert running | marked("mixture.py", "# once") in snapshot.files.values()


HAPPEN = """
    wait test, test return, return inner(), call check, check for, for add, add for, for done,
    done outer(), try finally, finally fails(),
    yield more, more while, while odd, odd yield, resume() resume, resume resume(),
    awaited() trying, trying send, send stop, stop value, value awaited(),
    tick tock, tock ticking, ticking tick
"""


def lines_by_name(script: str) -> dict[str, int]:
    """Return the lines of a target by the names in their comments; functions, negative, by theirs.

    The number of an arc's end that is no line is minus the function's first line.
    """
    found = {}
    for number, line in enumerate((TARGETS / script).read_text().splitlines(), 1):
        code, mark, name = line.partition("  # ")
        if mark:
            found[name] = number
        if code.startswith("def "):
            found[code[4:-1]] = -number  # `code` ends in "():"
    return found


def happening() -> set[tuple[int, int]]:
    """Return the arcs of branches.py that happen after the attach."""
    lines = lines_by_name("branches.py")
    arcs = [arc.split() for arc in HAPPEN.split(",")]
    return {(lines[first], lines[second]) for first, second in arcs}


def take_branches(target: Target) -> None:
    """Have branches.py go on to its end."""
    assert target.ask("resume()") == [2, 4]
    assert target.ask("awaited()") == 1
    target.ask("go.set()")
    assert target.ask("ended.wait(30)") is True


def test_exactly_the_arcs_that_happen(interpreter: Interpreter, launch: Launch) -> None:
    """The C tracer has each arc that happens, in frames that ran before too, and no other."""
    # GIVEN a target that stands in the middle of calls, and of a suspended generator
    target = launch(interpreter, "branches.py")
    with Inside(target) as agent:
        # WHEN it is measured by the C tracer with branches, and goes on
        assert agent.start("ctrace", branch=True)["core"] == "ctrace"
        take_branches(target)

        # THEN the arcs are exactly those that happen
        assert agent.points_until("branches.py", happening()) == happening()
        agent.stop()


@pytest.mark.pythons("3.14", "3.15")
def test_branches_that_are_taken(interpreter: Interpreter, launch: Launch) -> None:
    """The sysmon core has each branch that is taken, and none that is not."""
    # GIVEN a target that stands in the middle of calls, and of a suspended generator
    target = launch(interpreter, "branches.py")
    lines = lines_by_name("branches.py")
    with Inside(target) as agent:
        # WHEN it is measured with branches, and goes on
        assert agent.start(branch=True)["core"] == "sysmon"
        take_branches(target)

        # THEN the branches are exactly those that are taken: the arcs between two lines
        sources = {lines[name] for name in ("test", "check", "for", "while", "odd", "ticking")}
        taken = {arc for arc in happening() if arc[0] in sources}
        agent.points_until("branches.py", taken)
        found = {arc for arc in agent.points("branches.py") if arc[0] != arc[1]}
        assert {arc for arc in found if arc[0] in sources} == taken

        # AND no function is entered that was entered before
        entered = {-first for first, _ in found if first < 0}
        assert entered <= {-lines["resume()"], -lines["awaited()"]}
        agent.stop()


@pytest.mark.pythons("3.14", "3.15")
def test_lines_of_two_generators(interpreter: Interpreter, launch: Launch) -> None:
    """A line of one generator that is reported after one of another has not followed it."""
    # GIVEN a target that is measured with branches, by sysmon, which reports each line once
    target = launch(interpreter, "branches.py")
    lines = lines_by_name("branches.py")
    with Inside(target) as agent:
        assert agent.start(branch=True)["core"] == "sysmon"
        # WHEN two generators of one function take turns
        assert target.ask("interleaved()") == [1, 2]

        # THEN it has the two branches, and no arc from the line of one to that of the other
        found = {arc for arc in agent.points("branches.py") if arc[0] != arc[1]}
        ways = {arc for arc in found if lines["way"] in arc or lines["other way"] in arc}
        both = {(lines["way"], lines["one way"]), (lines["way"], lines["other way"])}
        assert {arc for arc in ways if arc[1] > 0} == both
        agent.stop()


@pytest.mark.parametrize("core", ["default", "ctrace"])
def test_a_generator_that_was_measured_before(
    interpreter: Interpreter, core: str, launch: Launch
) -> None:
    """One that is suspended when a session ends, and runs when the next begins, is measured."""
    # GIVEN a generator that has been measured, and was suspended at the end
    target = launch(interpreter, "again.py")
    for rounds in (1, 2):
        with Inside(target) as agent:
            agent.start("ctrace" if core == "ctrace" else None)
            target.ask("go_on()")
            target.ask("pause.release()")
            wait_for(lambda turn=rounds: target.ask("len(rounds)") == 2 * turn - 1, "a round")
            wait_for(lambda: target.ask("generator.gi_running") is False, "it is suspended")
            agent.stop()

        # WHEN it is resumed, and measured while it runs
        target.ask("go_on()")
        with Inside(target) as agent:
            agent.start("ctrace" if core == "ctrace" else None)
            target.ask("pause.release()")

            # THEN its next lines are there
            expected = marked("again.py", "# on")
            assert agent.points_until("again.py", expected) >= expected
            agent.stop()
