"""The end of a session: the target is as it was."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import Launch
from support.waiting import wait_for

from covattach.errors import PayloadFailed

CORES = pytest.mark.parametrize("core", ["default", "ctrace"])
# What a session works with and nothing may refer to afterwards; classes may stay.
WORKED_WITH = """[
    repr(type(one))
    for one in [__import__("gc").collect(), *__import__("gc").get_objects()]
    if type(one).__module__.startswith(("coverage.c", "coverage.sysmon", "_covattach"))
    and type(one).__name__ in
    ("Coverage", "Collector", "SysMonitor", "CtraceAdoption", "SysmonAdoption", "Measurement")
]"""
LOCAL_EVENTS = """[
    [code.co_name, tool]
    for code in __import__("gc").get_objects() if type(code) is type(main)
    for code in [code.__code__]
    for tool in range(6)
    if sys.monitoring.get_local_events(tool, code)
]"""


def expression(text: str) -> str:
    """Return an expression as one line."""
    return " ".join(text.split())


@CORES
def test_nothing_is_left(interpreter: Interpreter, core: str, launch: Launch) -> None:
    """After a stop nothing in the target tells that it was measured, twice in a row."""
    # GIVEN a target in which all kinds of code run
    target = launch(interpreter, "mixture.py")
    target.ask(expression(WORKED_WITH))  # what the asking itself imports is there
    before = target.residue()
    points = []
    for _ in range(2):
        # WHEN it is measured for a while, and then no more
        with Inside(target) as agent:
            agent.start("ctrace" if core == "ctrace" else None)
            agent.points_until("mixture.py", marked("mixture.py", "# on"))
            assert target.ask("isinstance(sys.covattach, __import__('coverage').Coverage)")
            points.append(agent.stop().points)

        # THEN it is as it was
        wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")
        target.assert_untouched(before)

        # AND nothing is kept alive, nor slowed down
        assert target.ask(expression(WORKED_WITH)) == []
        if interpreter.minor >= (3, 12):
            assert target.ask(expression(LOCAL_EVENTS)) == []

    # AND the second session has measured as the first
    assert all(count > 0 for count in points)


@CORES
@pytest.mark.parametrize("how", ["event", "join", "select"])
@pytest.mark.pythons("3.9", "3.11", "3.14", stress=("3.10", "3.12", "3.13", "3.15"))
def test_threads_that_never_wake(
    interpreter: Interpreter, core: str, how: str, launch: Launch
) -> None:
    """A thread that was blocked all the time keeps nothing, and runs on untraced."""
    # GIVEN a target whose main thread is blocked
    target = launch(interpreter, "idle.py", how)
    target.ask("bool(__import__('typing'))")  # 3.9 cannot tell that this is a library's
    before = target.residue()

    # WHEN it is measured, and stopped
    with Inside(target) as agent:
        agent.start("ctrace" if core == "ctrace" else None)
        assert target.ask("later()") == 1
        lines = agent.stop().files

    # THEN only its own lines are there, and nothing is kept
    assert marked("idle.py", "# later", "len(lines)") in lines.values()
    wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")
    target.assert_untouched(before)
    assert target.ask(expression(WORKED_WITH)) == []

    # AND the thread runs to its end when it is released
    target.tell("release()")
    assert target.wait() == 0


@pytest.mark.pythons("3.9", "3.12", "3.14")
def test_a_stop_that_fails(interpreter: Interpreter, launch: Launch) -> None:
    """If the last snapshot cannot be made, that is told, and everything is undone all the same."""
    # GIVEN a measured target in which coverage's data is spoilt
    target = launch(interpreter, "mixture.py")
    before = target.residue()
    with Inside(target) as agent:
        agent.start()
        target.ask("sys.covattach._collector.data.__setitem__('/x.py', [object()])")

        # WHEN it is stopped / THEN that fails, and nothing is left
        with pytest.raises(PayloadFailed):
            agent.stop()
    wait_for(lambda: len(target.traces()["threads"]) == len(before["threads"]), "the end")
    target.assert_untouched(before)
