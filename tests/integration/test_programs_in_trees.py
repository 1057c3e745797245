"""coverage's own test programs with several processes, attached to in their middle, as trees."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import coverage
import pytest
from support.command import Covattach
from support.coverage_programs import OF_PROCESSES
from support.interpreters import Interpreter
from support.targets import Launch

GATE = 'print("ready", flush=True); input()'
SETTINGS = "[run]\nparallel = true\nconcurrency = multiprocessing\nsigterm = true\n"
EACH = [("pool", "fork"), ("pool", "spawn"), ("fork", ""), ("terminated", "")]


def executed_of(data_file: Path, program: Path) -> set[int]:
    """Return the lines of a program in a data file, without the gate and a wait."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    text = program.read_text().splitlines()
    # Whether it has to wait for its child at all, is a matter of time.
    aside = [at for at, line in enumerate(text, 1) if GATE in line or "sleep(.05)" in line]
    return set(data.lines(str(program)) or ()).difference(aside)


def by_stock_coverage(interpreter: Interpreter, program: Path, method: str) -> set[int]:
    """Return the lines that stock coverage has, which has run from the beginning."""
    folder = program.parent / "stock"
    folder.mkdir()
    (folder / ".coveragerc").write_text(SETTINGS)
    words = [["run", str(program), method], ["combine", "--quiet"]]
    for each in words:
        subprocess.run(
            [interpreter.python, "-m", "coverage", *each],
            env={"PYTHONPATH": interpreter.site, "PATH": "/usr/bin:/bin"},
            cwd=folder,
            input=b"\n",
            check=True,
            capture_output=True,
        )
    return executed_of(folder / ".coverage", program)


def from_the_gate(program: Path, is_forked: bool) -> set[int]:
    """Return the lines that may be executed behind the gate: by whom, is a matter of the method."""
    text = program.read_text().splitlines()
    (gate,) = (at for at, line in enumerate(text, 1) if GATE in line)
    tree = ast.parse("\n".join(text))
    bodies = [one.body for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    inside = {
        line for body in bodies for line in range(body[0].lineno, (body[-1].end_lineno or 0) + 1)
    }
    behind = inside | set(range(gate + 1, len(text) + 1))
    if not is_forked:  # the child executes the module, but for what is the main program's
        behind |= set(range(1, tree.body[-1].lineno + 1))
    return behind


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
@pytest.mark.parametrize(("name", "method"), EACH)
def test_the_same_lines(
    interpreter: Interpreter,
    name: str,
    method: str,
    covattach: Covattach,
    launch: Launch,
    tmp_path: Path,
) -> None:
    """The lines of all processes are exactly those that stock coverage has from that moment on."""
    # GIVEN the lines that stock coverage has of a program
    program = tmp_path / "multi.py"
    program.write_text(OF_PROCESSES[name].text(GATE))
    # From 3.14 on `multiprocessing` forks from a server, which has not executed the program.
    is_forked = name != "terminated" or interpreter.minor < (3, 14)
    possible = from_the_gate(program, is_forked and method != "spawn")
    expected = by_stock_coverage(interpreter, program, method) & possible
    assert expected

    # WHEN it is attached to at the gate, and goes on to its end
    target = launch(interpreter, program, method, bare=True)
    covattach("start", target.pid, "--tree")
    target.expected_end = 0
    target.tell("")
    assert target.popen.wait(60) == 0

    # THEN all is there
    covattach("stop", target.pid, "--no-html")
    assert executed_of(covattach.folder / ".coverage", program) == expected
