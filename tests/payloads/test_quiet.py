"""Code of which all lines have been reported costs nothing any more, until they are asked for."""

from __future__ import annotations

import pytest
from support.inside import Inside
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch

SCRIPT = str(TARGETS / "quiet.py")
RUN = marked("quiet.py", "# whole", "# one line", "# generator", "# half", "# defines")
OTHER_HALF = marked("quiet.py", "# other half")
OTHER_END = marked("quiet.py", "numbers]  # half")
ALL = ["whole", "one_line", "generator", "half", "defines"]
pytestmark = pytest.mark.pythons("3.12", "3.13", "3.14", "3.15")


def lines(found: set[object]) -> set[int]:
    """Return the lines out of lines or arcs."""
    return {one[0] if isinstance(one, tuple) else one for one in found}  # type: ignore[misc]


@pytest.mark.parametrize("branch", [False, True], ids=["lines", "branches"])
def test_nothing_is_listened_to_in_vain(
    interpreter: Interpreter, branch: bool, launch: Launch
) -> None:
    """Whoever ran whole is listened to no more, and is again in the next window."""
    if branch and interpreter.minor < (3, 14):
        branch = False  # sysmon has branches from 3.14 on
    # GIVEN a target that is measured by sysmon
    target = launch(interpreter, "quiet.py")
    with Inside(target) as agent:
        agent.start("sysmon", branch=branch)

        # WHEN functions run, THEN those that have unreported lines are listened to
        target.ask("run()")
        # and so are those where an arc may follow the line of an inner function
        inner = ["whole", "defines"] if branch else []
        assert target.ask("events()") == [[one for one in ALL if one in ["half", *inner]], ALL]
        assert lines(agent.points("quiet.py")) >= RUN

        # WHEN the other lines run too, THEN no event is on any more
        target.ask("run(True)")
        assert set(target.ask("events()")[0]) <= {*inner, *(["half"] if branch else [])}
        assert lines(agent.points("quiet.py")) >= RUN | OTHER_HALF

        # WHEN a window begins, THEN all is reported again, and falls silent again
        agent.ask("mark", window="next")
        assert target.ask("events()")[0] == ALL
        target.ask("run()")
        assert lines(agent.dump().windows["next"][SCRIPT]) >= RUN
        assert not lines(agent.dump().windows["next"][SCRIPT]) & OTHER_HALF
        assert "generator" not in target.ask("events()")[0]
        assert "one_line" not in target.ask("events()")[0]

        # WHEN it begins anew, THEN likewise
        agent.dump(reset=True)
        assert target.ask("events()")[0] == ALL
        target.ask("run(True)")
        assert lines(agent.dump().files[SCRIPT]) >= RUN - marked(
            "quiet.py", "for number in numbers]  # half"
        )
        agent.stop()


def test_other_tools_go_on_to_hear(interpreter: Interpreter, launch: Launch) -> None:
    """A tool of the application's that wants each line each time hears of them as before."""
    # GIVEN a target with such a tool, and how much that hears
    target = launch(interpreter, "quiet.py")
    target.ask("sys.monitoring.use_tool_id(3, 'theirs')")
    target.ask("setattr(sys, 'heard', [])")
    target.ask(
        "sys.monitoring.register_callback(3, sys.monitoring.events.LINE,"
        " lambda code, line: sys.heard.append(line))"
    )
    for name in ("whole", "generator"):
        code = f"{name}.__code__"
        target.ask(f"sys.monitoring.set_local_events(3, {code}, sys.monitoring.events.LINE)")

    def heard() -> list[int]:
        target.ask("sys.heard.clear()")
        target.ask("run()")
        found: list[int] = target.ask("sys.heard")
        return found

    before = heard()
    assert len(before) > 100
    with Inside(target) as agent:
        # WHEN we measure, and listen no more, and listen again, THEN it hears the same
        agent.start("sysmon")
        assert heard() == before
        assert "whole" not in target.ask("events()")[0]
        assert heard() == before
        agent.ask("mark", window="next")
        assert heard() == before
        agent.stop()
    assert heard() == before


def test_a_code_of_many_lines_is_left_alone(interpreter: Interpreter, launch: Launch) -> None:
    """Account is kept of no more lines than a function has: the rest is measured as ever."""
    # GIVEN a target that is measured
    target = launch(interpreter, "quiet.py")
    with Inside(target) as agent:
        agent.start("sysmon")

        # WHEN a function runs that is too long, THEN all of its lines are there
        assert target.ask(f"long({SCRIPT!r})") is None
        assert lines(agent.points("quiet.py")) >= set(range(2, 302))
        agent.stop()


def test_a_generator_of_one_line_in_the_next_window(
    interpreter: Interpreter, launch: Launch
) -> None:
    """The line of a generator made in one window and run in the next is in the next one too."""
    target = launch(interpreter, "quiet.py")
    with Inside(target) as agent:
        # GIVEN a generator that has been made, after another that has run
        agent.start("sysmon")
        target.ask("list(made(3))")
        target.ask("setattr(answering, 'own', made(3))")

        # WHEN it runs in the next window, THEN its line is there
        agent.ask("mark", window="next")
        assert target.ask("list(answering.own)") == [0, 1, 2]
        assert lines(agent.dump().windows["next"][SCRIPT]) >= marked("quiet.py", "# made")
        agent.stop()
