"""Others who measure, trace or debug: both work, or the start is refused and says who it is."""

from __future__ import annotations

from typing import Any

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, Target, differences
from support.waiting import wait_for

from covattach.errors import NotNow

EACH = pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
SYSMON = pytest.mark.pythons("3.12", "3.13", "3.14", "3.15")


def untouched(target: Target, before: dict[str, Any]) -> None:
    """Fail unless it is as it was, as soon as the agent has gone."""
    wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")
    target.assert_untouched(before)


def measures(agent: Inside, target: Target) -> None:
    """Fail unless exactly the lines of a call made now are measured."""
    target.ask("later()")
    expected = marked("company.py", "# later")
    assert agent.points_until("company.py", expected) >= expected


@EACH
def test_a_trace_function_is_named(interpreter: Interpreter, launch: Launch) -> None:
    """The C tracer would replace the application's trace function: it is named, and goes on."""
    is_named(launch(interpreter, "company.py", "hook"))


@SYSMON
def test_that_of_a_thread_is_named(interpreter: Interpreter, launch: Launch) -> None:
    """From 3.12 on a thread cannot be left alone, so that is refused too."""
    is_named(launch(interpreter, "company.py", "frame"))


def is_named(target: Target) -> None:
    """Fail unless a target that traces new threads, or one thread, is refused with the name."""
    # GIVEN its residue before
    before = target.residue()
    # WHEN it is to be measured by trace functions, THEN that is refused with the name
    with Inside(target) as agent, pytest.raises(NotNow, match=r"__main__\.follow"):
        agent.start("ctrace")
    untouched(target, before)

    # AND the application's function is still called
    assert target.ask("traced_on()") is True


@SYSMON
@pytest.mark.parametrize("how", ["frame", "hook", "silent"])
def test_a_trace_function_beside_sysmon(interpreter: Interpreter, how: str, launch: Launch) -> None:
    """With sys.monitoring both work, and the trace function stays after the stop."""
    # GIVEN a target with a trace function
    target = launch(interpreter, "company.py", how)
    before = target.residue()
    with Inside(target) as agent:
        # WHEN it is measured, THEN both see its lines
        agent.start("sysmon")
        measures(agent, target)
        assert target.ask("traced_on()") is True
        agent.stop()
    untouched(target, before)
    assert target.ask("traced_on()") is True


@SYSMON
def test_a_trace_function_that_shows_nowhere(interpreter: Interpreter, launch: Launch) -> None:
    """A trace function that wants no lines is found by the events the interpreter watches."""
    # GIVEN a target that traces calls only, WHEN it is to be measured by the C tracer
    target = launch(interpreter, "company.py", "silent")
    with Inside(target) as agent, pytest.raises(NotNow, match=r"sys\.settrace"):
        agent.start("ctrace")

    # THEN that is refused, and it is still called
    assert target.ask("traced_on()") is True


@pytest.mark.pythons("3.9", "3.11", stress=("3.10",))
@pytest.mark.parametrize("how", ["frame", "silent"])
def test_a_traced_thread_is_left_alone(interpreter: Interpreter, how: str, launch: Launch) -> None:
    """Below 3.12 a thread that a debugger has is left to it, and told of; others are measured."""
    # GIVEN a target with a trace function in one thread, WHEN it is measured
    target = launch(interpreter, "company.py", how)
    before = target.residue()
    with Inside(target) as agent:
        facts = agent.start("ctrace")
        # THEN the function is named, and still called
        assert "__main__." in "".join(facts["warnings"])
        measures(agent, target)
        assert target.ask("traced_on()") is True
        agent.stop()

    # AND so it is afterwards
    untouched(target, before)
    assert target.ask("traced_on()") is True


@EACH
@pytest.mark.parametrize("how", ["setprofile", "cProfile"])
@pytest.mark.parametrize("core", ["default", "ctrace"])
def test_a_profiler(interpreter: Interpreter, how: str, core: str, launch: Launch) -> None:
    """A profiler goes on, and so does the measuring."""
    # GIVEN a target that is profiled
    target = launch(interpreter, "company.py", how)
    with Inside(target) as agent:
        # WHEN it is measured, THEN both see its lines
        agent.start("ctrace" if core == "ctrace" else None)
        measures(agent, target)
        assert target.ask("profiled_on()") is True
        agent.stop()
    assert target.ask("profiled_on()") is True


@EACH
def test_a_debugger_that_comes_later(interpreter: Interpreter, launch: Launch) -> None:
    """A trace function that is set while the C tracer is at work stays when that stops."""
    # GIVEN a target that is measured by trace functions
    target = launch(interpreter, "company.py", "later")
    with Inside(target) as agent:
        agent.start("ctrace")

        # WHEN it begins to trace itself, and the measuring stops
        target.ask("begin()")
        agent.stop()

    # THEN its own function is still called, in the thread and in new ones
    assert target.ask("traced_on()") is True
    assert "follow" in target.ask("repr(threading._trace_hook)")


@SYSMON
@pytest.mark.parametrize("free", range(6))
def test_one_tool_id_is_enough(interpreter: Interpreter, free: int, launch: Launch) -> None:
    """With one tool id left, that nobody insists on, everything is measured."""
    # GIVEN a target in which others have taken all tool ids but one
    target = launch(interpreter, "company.py", "none")
    target.ask(f"[sys.monitoring.use_tool_id(n, 'other') for n in range(6) if n != {free}]")
    with Inside(target) as agent:
        # WHEN it is measured, THEN it works, but for the ids that debuggers and profilers insist on
        if free in (0, 2):
            with pytest.raises(NotNow, match="by other, other"):
                agent.start("sysmon")
        else:
            agent.start("sysmon")
            measures(agent, target)
            agent.stop()
    assert target.ask("[n for n in range(6) if not sys.monitoring.get_tool(n)]") == [free]


@SYSMON
def test_the_ids_that_others_count_on(interpreter: Interpreter, launch: Launch) -> None:
    """Debuggers, coverage, SlipCover and profilers find the ids that they want."""
    # GIVEN a target of which 1 is taken, WHEN it is measured
    target = launch(interpreter, "company.py", "none")
    target.ask("sys.monitoring.use_tool_id(1, 'other')")
    with Inside(target) as agent:
        agent.start("sysmon")
        # THEN the ids 0 and 2 are free
        assert target.ask("[sys.monitoring.get_tool(n) for n in (0, 1, 2)]") == [
            None,
            "other",
            None,
        ]
        agent.stop()


@SYSMON
def test_no_tool_id_is_left(interpreter: Interpreter, launch: Launch) -> None:
    """Without any, the holders are named, and nothing is touched."""
    # GIVEN a target in which all tool ids are taken
    target = launch(interpreter, "company.py", "none")
    target.ask("[sys.monitoring.use_tool_id(n, f'tool{n}') for n in range(6)]")
    before = target.residue()
    with Inside(target) as agent, pytest.raises(NotNow, match=r"tool1, tool3, .*tool5"):
        agent.start("sysmon")
    untouched(target, before)


@EACH
def test_a_coverage_of_its_own(interpreter: Interpreter, launch: Launch) -> None:
    """A coverage by COVERAGE_PROCESS_START is named with its data file, which stays its own."""
    # GIVEN a target that coverage has been started in
    target = launch(interpreter, "company.py", "coverage")
    named = pytest.raises(NotNow, match=r"COVERAGE_PROCESS_START.*its-own-data")
    # WHEN it is to be measured, THEN that is refused
    with Inside(target) as agent, named:
        agent.start()

    # AND its own goes on, and has the lines
    target.ask("later()")
    assert target.ask("own_lines()") >= len(marked("company.py", "# later"))


@pytest.mark.pythons("3.9", "3.11", "3.14")
@pytest.mark.parametrize(
    ("how", "named"), [("run", r"`coverage run`.*\.coverage"), ("api", "application.*its-own-data")]
)
def test_a_coverage_by_other_means(
    interpreter: Interpreter, how: str, named: str, launch: Launch
) -> None:
    """One of `coverage run`, or of the application itself, is named too."""
    # GIVEN a target that is run by coverage, or starts one
    if how == "run":
        run = ("-m", "coverage", "run", TARGETS / "company.py", "none")
        target = launch(interpreter, *run, bare=True)
    else:
        target = launch(interpreter, "company.py", how)
    before = target.residue()

    # WHEN it is to be measured, THEN that is refused with the name
    with Inside(target) as agent, pytest.raises(NotNow, match=named):
        agent.start()
    # Its own tracer traces, and which frames it has just then differs from moment to moment.
    wait_for(lambda: set(differences(before, target.residue())) <= {"frames"}, "its old state")
