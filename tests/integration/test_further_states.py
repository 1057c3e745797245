"""Targets in states that are rare: with very much of something, in `fork`, or upgraded on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import Covattach
from support.cycles import Figures, cycle
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch, differences
from support.waiting import wait_for


@pytest.mark.pythons("3.9", "3.14", stress=("3.11", "3.13"))
@pytest.mark.parametrize("state", ["forking", "flocked", "thousand", "vast"])
def test_rare_state(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """A target is measured within the time-out, and lives on."""
    # GIVEN a target in that state
    target = launch(interpreter, "states.py", state)
    # One that forks blocks all signals for moments, so it is looked at more than once.
    before = [target.residue() for _ in range(10 if state == "forking" else 1)]

    # WHEN it is attached to and left, twice
    figures = Figures()
    for _ in range(2):
        cycle(target, figures)
    print(figures)

    # THEN nothing is left, but in Python's own table of signals, which a blocked main thread
    # has had no occasion to change
    late = {"signals of Python"} | ({"children"} if state == "forking" else set())
    wait_for(
        lambda: any(set(differences(one, target.residue())) <= late for one in before),
        "the target to be as it was",
    )


@pytest.mark.pythons("3.11", "3.14")
def test_odd_name(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A target whose threads have names that are no text in any encoding is like any other."""
    # GIVEN a target with such names
    target = launch(interpreter, "idle.py", "event")
    odd = r"[open(t + '/comm', 'wb', 0).write(b'\xff \xfe)\n')"
    target.ask(odd + r" for t in __import__('glob').glob('/proc/self/task/*')]")
    assert b"\xff \xfe)" in Path(f"/proc/{target.pid}/comm").read_bytes()

    # WHEN it is measured, THEN it is as ever
    for command in ("doctor", "start", "status"):
        covattach(command, target.pid)
    covattach("ps", "--json")
    target.ask("later()")
    assert covattach("dump", target.pid, "--json", "--no-html").facts["lines"] > 0
    covattach("stop", target.pid, "--no-dump")


@pytest.mark.pythons("3.14", stress=("3.9", "3.12", "3.13", "3.15"))
@pytest.mark.parametrize("state", ["beside_native", "beside_subinterpreter"])
def test_others_run(interpreter: Interpreter, state: str, launch: Launch) -> None:
    """That threads run which are not the main interpreter's does not keep us from getting in."""
    target = launch(interpreter, "states.py", state)
    figures = Figures()
    cycle(target, figures)
    print(figures)


@pytest.mark.parametrize("minor", [(3, 9), (3, 11), (3, 13)])
def test_upgraded_on_disk(
    minor: tuple[int, int], covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """A target whose interpreter was deleted, as by an upgrade, is measured all the same."""
    # GIVEN a target that runs on a copy of libpython, which is deleted then
    interpreter = next(one for one in interpreters() if one.minor == minor)
    library = (
        Path(interpreter.python).parent.parent / "lib" / f"libpython{minor[0]}.{minor[1]}.so.1.0"
    )
    copy = tmp_path / library.name
    shutil.copy(library, copy)
    target = launch(interpreter, "idle.py", "busy", env={"LD_LIBRARY_PATH": str(tmp_path)})
    maps = Path(f"/proc/{target.pid}/maps")
    used = str(copy) in maps.read_text()
    copy.unlink()
    before = target.residue()
    assert used == (f"{copy} (deleted)" in maps.read_text())
    assert used, "the interpreter did not take the copy"

    # WHEN it is attached to, THEN it is measured
    covattach("start", target.pid)
    target.ask("later()")
    assert covattach("dump", target.pid, "--json").facts["lines"] > 0
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_at_exit(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """An attach to a target that is about to end is done or refused; its exit status is its own."""
    # GIVEN a target that runs its functions for the exit
    target = launch(interpreter, TARGETS / "leaving.py", bare=True)

    # WHEN it is attached to, and it ends meanwhile
    popen = covattach.begin("start", target.pid, "--timeout", "15")
    done_file = Path(target.ask("where"))
    done = covattach.end(popen)
    done_file.write_text("go")

    # THEN it is done, or it is said why not
    assert done.code in (0, 3, 5, 6, 7), done.err
    if done.code:
        done.line("Error: ")
        done.line("Remedy: ")
    assert target.wait() == 3
    assert os.path.exists(done_file)
    covattach.run("dump", target.pid, "--no-html")
    for folder in target.folders:
        shutil.rmtree(folder)


@pytest.mark.pythons("3.11", "3.14")
def test_sampled_by_a_profiler(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that a sampling profiler stops again and again is attached to in between."""
    # GIVEN a target that is stopped and let go, a hundred times a second
    target = launch(interpreter, "idle.py", "event")
    words = [sys.executable, TARGETS / "sampler.py", str(target.pid)]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as sampler:
        wait_for(lambda: target.status("TracerPid") == str(sampler.pid), "it is sampled")
        # WHEN it is attached to and left, THEN that works each time
        for _ in range(3):
            covattach("start", target.pid)
            covattach("stop", target.pid, "--no-dump")
        covattach("doctor", target.pid)
