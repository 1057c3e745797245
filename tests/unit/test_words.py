"""Words on the screens: plain to somebody who has not seen them before."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from covattach.commands import ps, status
from covattach.diagnose.python_processes import Python
from covattach.reports import function_listing, summary_table
from covattach.reports.functions import Function
from covattach.reports.results import Row
from covattach.session.folder import SessionFolder
from covattach.session.session import Session

WIDTH = 30
NOW: dict[str, Any] = {"python": "3.11.2", "core": "ctrace", "method": "gdb", "points": 19}


def told(alive: bool = True, **facts: Any) -> list[str]:
    """Return the lines of `status` for a session with these facts."""
    known = {**NOW, "since": time.time() - 185, **facts}
    return status.lines(Session(7, SessionFolder(Path("/"), "/"), known, alive))


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "measuring lines, begun 3 min ago: 19 different lines ran"),
        ({"points": 1}, "measuring lines, begun 3 min ago: 1 line ran"),
        (
            {"points": 0},
            "measuring lines, begun 3 min ago: no line ran yet (it may just be waiting)",
        ),
        (
            {"branch": True, "points": 1204},
            "measuring lines and branches, begun 3 min ago:"
            " 1,204 different steps from line to line ran",
        ),
        ({"off": "Measuring was taken off"}, "Measuring was taken off"),
        ({"silent": True}, "it does not answer now: it is very busy, or suspended"),
        ({"alive": False}, "it has ended; what was saved last is there: covattach dump 7"),
    ],
)
def test_a_session(facts: dict[str, Any], said: str) -> None:
    """`status` tells the measuring, since when, the number of lines, and the kind of attach."""
    assert told(**facts) == [said, "Python 3.11.2, core ctrace, attached by gdb"]


def test_what_a_session_need_not_have() -> None:
    """A window and a limit are told of where there are any."""
    assert told(method="", window="login", overhead=3.4, max_overhead=20.0)[1:] == [
        "Python 3.11.2, core ctrace, measured since its start",
        "what runs now is also kept apart, as the window 'login': covattach dump 7 --windows login",
        "slowed down by an estimated 3 %; at more than 20 % it is taken off",
    ]


def test_what_belongs_together() -> None:
    """The lines of a tree's members name its first process, if that is to be seen."""
    facts = {**NOW, "tree": "/first"}
    first = Session(7, SessionFolder(Path("/"), "/first"), facts, True)
    other = Session(8, SessionFolder(Path("/"), "/first-2"), facts, True)
    alone = Session(9, SessionFolder(Path("/"), "/alone"), NOW, True)

    said = [status.of_tree(one, [first, other, alone]) for one in (first, other, alone)]

    assert said == [
        ["measured with all its descendants, as a tree"],
        ["a descendant of process 7, in its tree"],
        [],
    ]
    assert status.of_tree(other, [other]) == ["in a tree of processes"]


def python(pid: int, why_not: str) -> Python:
    """Return a process that cannot be attached to."""
    return Python(pid, "me", "3.11", "python", False, f"Process {pid} {why_not}.", f"`kill {pid}`.")


def test_reasons_are_said_once() -> None:
    """One obstacle to attaching several processes is one sentence, with its remedy."""
    found = ps.reasons([python(17, "sleeps"), python(170, "sleeps"), python(3, "is ill")])

    assert found == {
        "Process PID sleeps. `kill PID`.": [17, 170],
        "Process 3 is ill. `kill 3`.": [3],
    }


def test_figures_that_are_not_coverages() -> None:
    """The table explains its last column, and counts the missing lines that ran at import."""
    row = Row("TOTAL", 46, 27, 0, 0, 41.3, "41", at_import=16, in_functions=29)

    before, bodies = summary_table.legend(row)

    assert before == (
        "Of the 27 statements in Miss, 16 ran before the attach, when modules were imported."
    )
    assert bodies.startswith(f"{summary_table.BODIES}: ")
    assert summary_table.legend(Row("TOTAL", 2, 0, 0, 0, 100.0, "100")) == []


def test_a_recording_has_a_legend() -> None:
    """Marks, times and omissions are explained above the lines."""
    timed = Function("/shop.py", "price", 1, [2, 3], {3}, 1.5)
    running = Function("/shop.py", "keep", 5, [6])

    said = function_listing.summary([timed, running], [7], has_past=True, only_new=False)

    assert said.splitlines() == [
        "Process 7 ran 3 lines of 2 functions in 1 file.",
        "* marks the 1 line that had not run before in this session.",
        function_listing.EXTENT,
        "Only lines that ran are shown, and functions in the order in which they began, with the"
        " time since the recording began.",
        "Functions without a time were running already when the recording began.",
    ]


def test_where_no_order_is_known() -> None:
    """Of a process that has ended meanwhile there are no times: nothing is said of any."""
    said = function_listing.legend([Function("/shop.py", "keep", 5, [6])])

    assert said == "Only lines that ran are shown, and functions by file and line"


def test_a_function_that_has_but_a_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    """Why nothing but its `def` is shown is said, where it was called."""
    quiet = Function("/s.py", "quiet", 1, [1], ms=1.5, text={1: "def quiet():"}, is_empty=True)

    function_listing.show([quiet], Console(width=80), Path("/"))

    assert "It was called: there is no other line in it that could run." in capsys.readouterr().out


def test_a_comparison_has_a_legend() -> None:
    """A comparison says that nothing is recorded, and explains its marks."""
    found = [Function("/shop.py", "price", 1, [2, 3, 4], {3})]

    assert function_listing.compared(found, "a", "b").splitlines() == [
        "Comparing the windows 'a' and 'b'; nothing is recorded.",
        "- 2 lines ran only in 'a'",
        "+ 1 line ran only in 'b'",
        f"What ran in both, or in neither, is left out. {function_listing.NOT_DUE}",
    ]
    assert function_listing.compared([], "a", "b").endswith("The same lines ran in both.")


def test_lines_are_broken_between_words() -> None:
    """On a terminal no word is cut at its edge, and nothing is coloured with NO_COLOR."""
    command = shlex.join([sys.executable, "-m", "covattach", "start", "4194304"])
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    # What was erased again, above, is the progress.
    lines = re.sub(r".*\x1b\[1A\x1b\[2K", "", done.stdout, flags=re.S).split("\n")

    assert done.returncode == 3
    assert lines == [
        "Error: There is no process",
        "4194304.",
        "Remedy: Look for the PID with",
        "`covattach ps`.",
        "",
    ]
