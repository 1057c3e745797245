"""Forks while others look: no line is lost, nothing is left, and nobody is warned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch, Target

from covattach.session.tree import find_tree
from covattach.snapshot.snapshot import Snapshot

QUIETLY = ("-W", "ignore")  # of forks in a program with threads of its own
LONG = 240.0  # seconds for half a thousand forks: more than a loaded machine needs


def numbered(files: dict[str, set[int]]) -> set[int]:
    """Return the numbers of the children whose lines these are."""
    lines = {line for name, held in files.items() if name.endswith("numbered.py") for line in held}
    return {line // 2 - 1 for line in lines if line > 0 and line % 2 == 0}


def reported(data_file: Path) -> set[int]:
    """Return the numbers of the children whose lines are in a data file."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return numbered({name: set(data.lines(name) or ()) for name in data.measured_files()})


def everything(taken: Iterable[Snapshot]) -> set[int]:
    """Return the numbers of the children that are in any of these snapshots."""
    return {number for one in taken for number in numbered(one.files)}


def snapshots_while(target: Target, expression: str, reset: bool = False) -> Iterator[Snapshot]:
    """Have the target evaluate an expression; yield snapshots of its tree until it answers.

    Fails if the answer is not an empty list.
    """
    whole = find_tree(target.pid)
    assert whole is not None
    target.tell(expression)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(target.line, "answer ", LONG)
        while not answer.done():
            yield from [taken.snapshot for taken in whole.snapshots(reset)]
        assert json.loads(answer.result()) == []


@pytest.mark.pythons("3.12", "3.13", "3.14", "3.15")
def test_no_warning(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A program that forks, and takes warnings for errors, gets none while it is measured."""
    # GIVEN a program whose warnings are errors
    target = launch(interpreter, "forking.py", 40, options=("-W", "error"))
    before = target.residue()
    covattach("start", target.pid, "--tree")

    # WHEN it forks, and its children fork, while it is looked at without pause
    found = everything(snapshots_while(target, "fork(0, 30)"))

    # THEN no child and no fork has failed, also if nobody looks
    assert target.ask("fork(30, 40)") == []
    covattach("stop", target.pid, "--no-html")
    assert found <= reported(covattach.folder / ".coverage") == set(range(40))
    target.assert_untouched(before)
    assert "Warning" not in target.log.read_text()


@pytest.mark.pythons("3.11", "3.14")
def test_nothing_is_lost(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """The last dump has the lines of all children that were born, and ended, during dumps."""
    check_nothing_is_lost(launch(interpreter, "forking.py", 100, options=QUIETLY), covattach, 100)


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
def test_nothing_is_lost_of_a_thousand(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The same holds for a thousand children, with both ways of being born."""
    target = launch(interpreter, "forking.py", 1000, options=QUIETLY)
    check_nothing_is_lost(target, covattach, 1000)


def check_nothing_is_lost(target: Target, covattach: Covattach, count: int) -> None:
    """Have so many children, a part of them from two threads, while dumps are made."""
    # GIVEN a target that is measured as a tree
    before = target.residue()
    covattach("start", target.pid, "--tree")

    # WHEN it has children, while dumps are made without pause
    half = count // 2
    found: set[int] = set()
    for expression in (f"fork(0, {half})", f"fork_in_threads({half}, {half})"):
        found |= everything(snapshots_while(target, expression))

    # THEN a dump has the lines of all of them, and `stop` leaves nothing
    covattach("dump", target.pid, "--no-html")
    assert found <= reported(covattach.folder / ".coverage") == set(range(count))
    covattach("stop", target.pid, "--no-html")
    assert reported(covattach.folder / ".coverage") == set(range(count))
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", "3.14")
def test_reset_loses_nothing(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A dump that resets has the lines it forgets, also those of children that end meanwhile."""
    check_reset(launch(interpreter, "forking.py", 100, options=QUIETLY), covattach, 100)


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.pythons("3.9", "3.11", "3.13", "3.14")
def test_reset_loses_nothing_of_a_thousand(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The same holds for a thousand children."""
    check_reset(launch(interpreter, "forking.py", 1000, options=QUIETLY), covattach, 1000)


def check_reset(target: Target, covattach: Covattach, count: int) -> None:
    """Have so many children while dumps are made that begin anew."""
    covattach("start", target.pid, "--tree")
    half = count // 2
    found: set[int] = set()
    for expression in (f"fork(0, {half})", f"fork_in_threads({half}, {half})"):
        found |= everything(snapshots_while(target, expression, reset=True))
    covattach("stop", target.pid, "--no-html")
    left = reported(covattach.folder / ".coverage")
    assert found | left == set(range(count))
    assert len(left) < count, "nothing was forgotten"
