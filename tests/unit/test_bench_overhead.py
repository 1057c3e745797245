"""The bench of the overhead: figures of measured runs only, and no wait without end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import CoverageData

from bench.overhead import MINORS, Samples, compared, each, result
from bench.overhead_table import PAGE, Result, put, table
from bench.places import Interpreter
from bench.subject import Failed, Subject, lines_in
from bench.variants import AGAIN, CONTROL, VARIANTS, Variant

LINES = Variant("covattach", attaches=True)
HERE = Interpreter("3.11", "3.11.0", sys.executable, "")


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """Return one that has not been started; it is ended at the end."""
    one = Subject(LINES, "richards", HERE, tmp_path)
    yield one
    one.end()


def run(one: Subject, code: str) -> None:
    """Let other code take the place of its target."""
    one.log.touch()
    pipe = subprocess.PIPE
    one.popen = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe)


def by_turn(*times: float) -> dict[int, float]:
    """Return samples of successive turns."""
    return dict(enumerate(times))


def test_samples_of_one_turn_are_compared() -> None:
    """A machine that is twice as slow for some turns does not change the figure."""
    samples: Samples = {
        (CONTROL, "during"): by_turn(1.0, 2.0, 2.0, 1.0),
        (AGAIN, "during"): by_turn(1.5, 3.0, 3.0, 1.5),
    }

    assert compared(samples, AGAIN, "during") == {"ratio": 1.5, "low": 1.5, "high": 1.5}


def test_who_was_there_before_is_compared_with_itself() -> None:
    """A process that was slower than the control before it was measured is not blamed for that."""
    samples: Samples = {
        (CONTROL, "before"): by_turn(1.0, 1.0),
        (LINES, "before"): by_turn(1.25, 1.25),
        (CONTROL, "during"): by_turn(1.0, 1.0, 1.0),
        (LINES, "during"): by_turn(2.5, 2.5),
    }

    assert compared(samples, LINES, "during")["ratio"] == 2.0


def test_geometric_mean() -> None:
    """The last column is the geometric mean: 2 and 8 make 4."""
    found = [
        Result("richards", LINES, "during", 2.0, 1.9, 2.1, lines=5, core="ctrace"),
        Result("nqueens", LINES, "during", 8.0, 7.9, 8.1, lines=5, core="ctrace"),
    ]

    assert table(found).splitlines() == [
        "| measured by | what | when | richards | nqueens | geometric mean |",
        "|---|---|---|--:|--:|--:|",
        "| covattach, ctrace | lines | while measured | 2.000 (1.90 to 2.10) |"
        " 8.000 (7.90 to 8.10) | **4.000** |",
    ]


def test_nothing_measured_is_no_figure() -> None:
    """A variant with no line in its data has no figure and no mean, however fast it was."""
    found = [
        Result("richards", LINES, "during", 1.0, 1.0, 1.0, lines=0),
        Result("nqueens", LINES, "during", 1.0, 1.0, 1.0, lines=9),
    ]

    row = table(found).splitlines()[-1]

    assert row.endswith("| nothing measured | 1.000 (1.00 to 1.00) | - |")


def test_a_fault_is_a_row_that_says_failed(subject: Subject) -> None:
    """Who failed has no figure, and the others keep theirs."""
    subject.fault = "it has ended"
    samples: Samples = {
        (CONTROL, "during"): by_turn(1.0, 1.0),
        (AGAIN, "during"): by_turn(1.0, 1.0),
        (LINES, "during"): by_turn(1.0),
    }

    found = [
        result(samples, subject, "during", ""),
        Result("richards", AGAIN, "during", **compared(samples, AGAIN, "during")),
    ]

    assert [one.figure for one in found] == ["failed", "1.000 (1.00 to 1.00)"]


def test_a_control_that_failed_leaves_no_figure(subject: Subject) -> None:
    """Without the control there is nothing to compare with."""
    assert result({}, subject, "during", "it has ended").outcome == "failed"


def test_one_that_is_silent_does_not_hold_up_the_others(
    subject: Subject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who gives no answer fails at the deadline, who has ended at once; the third goes on."""
    other, well = (Subject(variant, "richards", HERE, tmp_path) for variant in VARIANTS[:2])
    run(subject, "input()")
    run(other, "")
    run(well, "print('ready')")

    each([subject, other, well], lambda one: one.answer(5.0 if one is not subject else 0.05))
    for one in (other, well):
        one.end()

    assert [one.fault for one in (subject, other, well)] == [
        "it said nothing for 0.05 s",
        "it has ended: ",
        "",
    ]
    assert "covattach, lines: it said nothing" in capsys.readouterr().err


def test_a_command_that_fails_is_a_fault(subject: Subject) -> None:
    """An attach that covattach refuses fails in covattach's words."""
    run(subject, "")
    assert subject.popen
    subject.popen.wait(30)

    with pytest.raises(Failed, match=r"^covattach start failed: \w"):
        subject.attach()


def test_lines_are_counted_in_the_data(tmp_path: Path) -> None:
    """Of coverage's files and of SlipCover's, with lines and with branches; no file has none."""
    lines, arcs, slip = (tmp_path / name for name in ("lines", "arcs", "slip"))
    for path in (lines, arcs):
        data = CoverageData(str(path))
        if path is lines:
            data.add_lines({"a.py": {1, 2, 3}, "b.py": {7}})
        else:
            data.add_arcs({"a.py": {(-1, 1), (1, 2)}})
        data.write()
    slip.write_text('{"files": {"a.py": {"executed_lines": [1, 2]}}}')

    assert [lines_in(path) for path in (lines, arcs, slip, tmp_path / "none")] == [4, 2, 2, 0]


@pytest.mark.parametrize("minor", MINORS)
def test_the_page_has_a_place_for_each_interpreter(minor: str) -> None:
    """The text for one interpreter goes between its markers, and changes no other's."""
    page = PAGE.read_text(encoding="utf-8")
    mark = f"<!-- measured on {minor}: end -->"

    changed = put("new", minor, page)

    assert "\n\nnew\n\n" + mark in changed
    assert put("new", minor, changed) == changed
    assert changed.partition(mark)[2] == page.partition(mark)[2]
