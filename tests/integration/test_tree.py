"""A process and its descendants: the report has the lines of each, and nothing is left."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.interpreters import Interpreter
from support.targets import TARGETS, Launch, Target
from support.waiting import wait_for

FOLDER = TARGETS / "family"
FAMILY, WORK, PROGRAM = (FOLDER / name for name in ("family.py", "work.py", "program.py"))
FORKS = ("fork_and_exit", "fork_and_exec", "fork_and_execvpe", "run_with_function")
PROGRAMS = ("fork_and_exec", "fork_and_execvpe", "run", "run_with_environment", "spawn")
WAYS = (
    *(f"{name}()" for name in dict.fromkeys((*FORKS, *PROGRAMS))),
    'pool("fork", "terminate")',
    'pool("fork", "close")',
    'pool("spawn", "close")',
    'pool("forkserver", "terminate")',
    'executor("fork")',
)


def lines_for(path: Path, name: str) -> set[int]:
    """Return the numbers of the lines that have this name in their mark."""
    lines = path.read_text().splitlines()
    marks = {number: line.partition("#: ")[2].split() for number, line in enumerate(lines, 1)}
    return {number for number, names in marks.items() if name in names}


def by_process(data_file: Path) -> dict[int, dict[str, set[int]]]:
    """Return the lines that a data file has, by PID and name of the file, the folder's only."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    found: dict[int, dict[str, set[int]]] = {}
    for context in data.measured_contexts() - {""}:
        pid = int(context.rpartition(" ")[2])
        data.set_query_context(context)
        for path in (FAMILY, WORK, PROGRAM):
            lines = data.lines(str(path))
            if lines:
                found.setdefault(pid, {}).setdefault(path.name, set()).update(lines)
    return found


def lines_by_pid(data_file: Path, program: Path) -> dict[int, set[int]]:
    """Return the lines of a program that a data file has, by the PID of who has executed them."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    found = {}
    for context in data.measured_contexts() - {""}:
        data.set_query_context(context)
        found[int(context.rpartition(" ")[2])] = set(data.lines(str(program)) or ())
    return found


@pytest.mark.pythons("3.9", "3.13")
def test_lines_of_children(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """The lines of children are there exactly, however they came to be; then nothing is left."""
    check_children(launch(interpreter, "family/family.py"), covattach)


@pytest.mark.pythons("3.11", "3.14")
def test_branches_of_children(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """The same holds in branch mode."""
    check_children(launch(interpreter, "family/family.py"), covattach, "--branch")


@pytest.mark.stress
@pytest.mark.pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
@pytest.mark.parametrize("options", ["", "--branch", "--core=ctrace", "--core=ctrace --branch"])
def test_children_on_all_versions(
    interpreter: Interpreter, options: str, covattach: Covattach, launch: Launch
) -> None:
    """The same holds on every version, with both cores."""
    check_children(launch(interpreter, "family/family.py"), covattach, *options.split())


def check_children(target: Target, covattach: Covattach, *options: str) -> None:
    """Have children born in every way while the target is measured; check the lines of each."""
    # GIVEN a target that is measured as a tree
    target.ask("warm_up()")
    wait_for(lambda: len(target.traces()["threads"]) == 1, "the threads of pools have gone")
    before = target.residue()
    kinds = target.ask("functions()")
    covattach("start", target.pid, "--tree", *options)

    # WHEN it has children of every kind
    born = {way: target.ask(way) for way in WAYS}
    for way, pids in born.items():
        assert isinstance(pids, list), f"{way}: {pids}"
    assert not [line for line in target.said if line.startswith("shows")]
    born["stay()"] = [target.ask("stay()")]
    target.ask("ask()")
    covattach("dump", target.pid, "--no-html")

    # THEN the data have exactly the lines of each
    found = by_process(covattach.folder / ".coverage")
    for way, pids in born.items():
        for pid in pids:
            check(way, found[pid])
    asides = {*lines_of("functions")}
    assert found[target.pid][FAMILY.name] - asides == lines_for(FAMILY, "parent")

    # AND after `stop` nothing is left, also in a child that lives on
    covattach("stop", target.pid, "--no-html")
    child = target.ask("ask()")
    target.ask("leave()")
    target.assert_untouched(before)
    ours = target.ask("answering.residue()")
    assert {name: child[name] for name in ours} == ours
    assert child["functions"] == target.ask("functions()") == kinds
    assert not [name for name in child["environment"] if "COVATTACH" in name]
    assert not target.folders


def lines_of(name: str) -> range:
    """Return the lines of a function of family.py."""
    nodes = ast.walk(ast.parse(FAMILY.read_text()))
    (found,) = [node for node in nodes if getattr(node, "name", "") == name]
    return range(found.lineno, found.end_lineno + 1)


def born_on(name: str) -> int:
    """Return the line of a function of family.py that makes a child."""
    lines = FAMILY.read_text().splitlines()
    (found,) = [at for at in lines_of(name) if re.search(r"\bfork\(|Popen\(", lines[at - 1])]
    return found


def check(way: str, here: dict[str, set[int]]) -> None:
    """Check the executed lines, by file name, of a child that was born in this way."""
    name = way.partition("(")[0]
    if name in (*FORKS, "stay"):
        # The line on which the child was born may be the child's too.
        asides = {born_on(name), *lines_of("functions")}
        assert here[FAMILY.name] - asides == lines_for(FAMILY, name), way
    if name in PROGRAMS:
        assert here[PROGRAM.name] == lines_for(PROGRAM, "program"), way
    if name in ("pool", "executor"):
        assert here[WORK.name] >= lines_for(WORK, "work"), way
    if '"fork"' in way:
        assert here[WORK.name] == lines_for(WORK, "work"), way
