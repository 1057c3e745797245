"""`start`, `dump` and `stop` on every interpreter: the lines measured, and an untouched target."""

from __future__ import annotations

from pathlib import Path

import coverage
from support.command import Covattach
from support.interpreters import Interpreter
from support.marks import marked
from support.targets import TARGETS, Launch, Target

MIXTURE = TARGETS / "mixture.py"
START = {
    "pid": int,
    "python": str,
    "method": str,
    "core": str,
    "branch": bool,
    "pause_ms": float,
    "attach_ms": float,
    "socket": str,
    "data_file": str,
}
DUMP = {
    "pid": int,
    "data_file": str,
    "html": str,
    "files": int,
    "lines": int,
    "percent": float,
    "snapshot_ms": float,
}


def executed_of(data_file: Path, source: Path) -> set[int]:
    """Return the lines of a source that a data file says were executed."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    return set(data.lines(str(source)) or ())


def dump_until(expected: set[int], covattach: Covattach, target: Target) -> set[int]:
    """Return the lines of the first dump that has those expected, or of the tenth."""
    found: set[int] = set()
    for _ in range(10):
        covattach("dump", target.pid, "--no-html")
        found = executed_of(covattach.folder / ".coverage", MIXTURE)
        if found >= expected:
            break
    return found


def test_lines_are_exactly_those_that_execute_after_the_attach(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """Threads, frames, coroutines and generators that ran before are measured, and no more."""
    # GIVEN a target in which all kinds of code run already
    target = launch(interpreter, "mixture.py")
    before = target.residue()

    # WHEN it is attached to, and dumped as soon as each of its loops has gone round
    started = covattach("start", target.pid, "--json").facts
    running = marked(MIXTURE, "# on")
    data_file = covattach.folder / ".coverage"

    found = dump_until(running, covattach, target)

    # THEN the lines are exactly those that go on
    assert found == running

    # AND the facts are those of the contract
    assert {name: type(started[name]) for name in START} == START
    assert started["pid"] == target.pid
    assert started["python"] == interpreter.version
    assert started["data_file"] == str(data_file)
    assert Path(started["socket"]).is_socket()
    measured = "isinstance(sys.covattach, __import__('coverage').Coverage)"
    assert target.ask(measured) is True

    # WHEN it is started again
    again = covattach("start", target.pid, "--json")

    # THEN that succeeds, and says so
    assert again.facts["already"] is True
    assert "measured already" in again.err
    assert {name: type(again.facts[name]) for name in START} == START

    # WHEN more is executed, and dumped by `stop`
    assert target.ask("later(3)") == 3
    target.ask("suspended.close()")
    facts = covattach("dump", target.pid, "--json").facts

    # THEN its lines are there, with those of before
    assert executed_of(data_file, MIXTURE) == running | marked(MIXTURE, "# once")
    assert {name: type(facts[name]) for name in DUMP} == DUMP
    assert Path(facts["html"]).is_file()
    stopped = covattach("stop", target.pid, "--json").facts
    assert executed_of(data_file, MIXTURE) == running | marked(MIXTURE, "# once")
    assert {name: type(stopped[name]) for name in DUMP} == DUMP

    # AND nothing is left in the target
    target.assert_untouched(before)
    assert covattach.fails(8, "dump", target.pid)


def test_again_and_again(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A second session measures as the first did, with branches, and leaves as little."""
    # GIVEN a target that was measured before
    target = launch(interpreter, "mixture.py")
    before = target.residue()
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-html")

    # WHEN it is measured once more, with branches
    covattach("start", target.pid, "--branch")
    target.ask("later(3)")
    running = marked(MIXTURE, "# on")

    found = dump_until(running, covattach, target)

    # THEN all is there, and nothing that did not run
    assert found == running | {line for line in marked(MIXTURE, "# once") if is_in_later(line)}

    # AND nothing is left
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


def is_in_later(number: int) -> bool:
    """Tell whether a line lies in the function `later`."""
    lines = MIXTURE.read_text().splitlines()
    first = lines.index("def later(times):") + 1
    return first < number < first + 6
