"""The classic recipe: stock pyrasite with payloads/start.py, dump.py and stop.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import ROOT, Interpreter
from support.targets import Launch, Target
from support.waiting import wait_for

from covattach.injector.x86_64.support import REGISTERS

PYRASITE = Path(sys.executable).with_name("pyrasite")


def inject(target: Target, payload: str, configuration: Path) -> None:
    """Run pyrasite as a user would, on a machine where its gdb can call functions at all."""
    (configuration / "gdb").mkdir(exist_ok=True)
    # gdb 13 cannot write the registers of a CPU with AMX, see docs/classic.md.
    (configuration / "gdb" / "gdbinit").write_text(f"set tdesc filename {REGISTERS}\n")
    done = subprocess.run(
        [PYRASITE, str(target.pid), str(ROOT / "payloads" / payload), "--verbose"],
        env={**os.environ, "XDG_CONFIG_HOME": str(configuration)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    print(done.stdout, done.stderr)


@pytest.mark.pythons("3.11")
def test_pyrasite(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """The payloads start, dump and stop by themselves, with the same agent, and leave no trace."""
    # GIVEN an idle target on an interpreter with symbols, which pyrasite needs
    pyenv = Interpreter("3.11-pyenv", "3.11", str(with_symbols()), interpreter.site)
    target = launch(pyenv, "idle.py", "event")
    names = target.ask("sorted(vars(sys.modules['__main__']))")
    path = target.ask("sys.path")

    # WHEN start.py is injected
    inject(target, "start.py", tmp_path)

    # THEN it is measured, and covattach can ask for a report
    wait_for(lambda: target.ask("hasattr(sys, 'covattach')"), "the measuring to begin")
    target.ask("later()")
    assert covattach("dump", target.pid, "--json", "--no-html").facts["lines"] >= 1

    # WHEN dump.py is injected, THEN data file and report are in the target's folder
    inject(target, "dump.py", tmp_path)
    made = Path(target.ask("__import__('os').getcwd()")) / f"covattach-{target.pid}"
    wait_for((made / "htmlcov" / "index.html").exists, "the report")
    assert (made / ".coverage").exists()

    # WHEN stop.py is injected, THEN it is as before
    inject(target, "stop.py", tmp_path)
    wait_for(lambda: not target.ask("hasattr(sys, 'covattach')"), "the measuring to end")
    wait_for(lambda: not target.folders, "the session's folder to go")
    assert target.ask("sys.path") == path
    left = set(target.ask("sorted(vars(sys.modules['__main__']))")) - set(names)
    assert left <= {"__warningregistry__"}, "pyrasite leaves its file open, which Python notes"


@pytest.mark.pythons("3.11", "3.14")
def test_no_warning(interpreter: Interpreter) -> None:
    """The payloads by themselves leave no encoding to the locale, of which Python can warn."""
    # GIVEN a program that makes errors of such warnings, and executes all three in a row
    folder = ROOT / "payloads"
    program = f"""
import sys, time
for name in ("start", "dump", "stop"):
    if name == "start":
        sys.path[:0] = ["pyrasite's", {str(folder)!r}]
    exec(open({str(folder)!r} + "/" + name + ".py", encoding="utf-8").read())
    deadline = time.monotonic() + 20
    wanted = name != "stop"
    while hasattr(getattr(sys, "covattach", 0), "covattach") != wanted:
        time.sleep(0.01 / (time.monotonic() < deadline))
    print(name, hasattr(sys, "covattach"))
"""
    words = ("-X", "warn_default_encoding", "-W", "error::EncodingWarning", "-c", program)

    # WHEN it is run, THEN it begins and ends
    done = subprocess.run(
        [interpreter.python, *words],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": interpreter.site},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", "start True\ndump True\nstop False\n")


def with_symbols() -> Path:
    """Return an interpreter that was not stripped: pyrasite's gdb needs to know its functions."""
    from support.interpreters import interpreters

    found = [one.python for one in interpreters() if one.minor == (3, 11)]
    return Path(
        next(
            python
            for python in found
            if "debian" not in python.lower() and "/usr/bin" not in python
        )
    )
