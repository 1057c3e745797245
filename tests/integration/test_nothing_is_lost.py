"""No line is lost, whenever dumps are taken: promise 2 of covattach, and why it is not `save()`."""

from __future__ import annotations

import struct
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import Launch

from covattach.session.session_lookup import find_session

FUNCTIONS, THREADS = 30_000, 4
SHARE = FUNCTIONS // THREADS


def line_of(number: int) -> int:
    """Return the line that function `number` of tests/targets/burst.py consists of."""
    return 2 * number + 2


def called(progress: Path) -> list[int]:
    """Return how many functions each thread has called for sure."""
    return list(struct.unpack(f"<{THREADS}Q", progress.read_bytes()))


def missing(lines: set[int], counts: list[int]) -> set[int]:
    """Return the executed lines that are not there."""
    return {
        line_of(thread * SHARE + number)
        for thread, count in enumerate(counts)
        for number in range(count)
    } - lines


@pytest.mark.pythons("3.11", "3.14", stress=("3.13",))
@pytest.mark.parametrize("branch", [False, True], ids=["lines", "branches"])
def test_dumps_without_pause(
    interpreter: Interpreter,
    branch: bool,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """Each of many dumps has all that was executed before it was asked for."""
    # GIVEN a target that is measured, and four threads of it that are about to run
    progress, source = tmp_path / "progress", tmp_path / "functions.py"
    target = launch(interpreter, "burst.py", progress, source)
    covattach("start", target.pid, "--branch" if branch else "--no-branch")
    found = find_session(target.pid)
    target.tell("go.set()")

    # WHEN it is dumped again and again until they have ended
    dumps, lost = 0, set()
    counts = [0] * THREADS
    while sum(counts) < FUNCTIONS:
        counts = called(progress)
        snapshot = found.snapshot().snapshot
        held = snapshot.files.get(str(source), set())
        lines = {abs(line) for arc in held for line in arc} if branch else held
        lost |= missing(lines, counts)
        dumps += 1

    # THEN none of the dumps has missed a line
    assert lost == set()
    assert dumps > 1

    # AND the one of the command line has them all too
    covattach("stop", target.pid, "--no-html")
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    assert missing(set(data.lines(str(source)) or ()), [SHARE] * THREADS) == set()


@pytest.mark.pythons("3.14", stress=("3.11", "3.13"))
def test_dumps_that_begin_anew(
    interpreter: Interpreter,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """Dumps with `--reset` have together all that was executed, and a later one nothing twice."""
    # GIVEN a target that is measured, and four threads of it that are about to run
    progress, source = tmp_path / "progress", tmp_path / "functions.py"
    target = launch(interpreter, "burst.py", progress, source)
    covattach("start", target.pid)
    found = find_session(target.pid)
    target.tell("go.set()")

    # WHEN it is dumped, and begins anew, until they have ended
    union: set[int] = set()
    counts = [0] * THREADS
    while sum(counts) < FUNCTIONS:
        counts = called(progress)
        snapshot = found.snapshot(reset=True).snapshot
        union |= snapshot.files.get(str(source), set())
        assert missing(union, counts) == set()

    # THEN together they have all lines, and none that a dump has reset comes again
    assert missing(union, counts) == set()
    covattach("dump", target.pid, "--no-html", "--reset")
    covattach("stop", target.pid, "--no-html")
    data = coverage.CoverageData(str(covattach.folder / ".coverage"))
    data.read()
    assert not data.lines(str(source))
