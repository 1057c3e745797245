"""Programs that are not the usual build of Python: measured, or refused with the reason."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import hosts
from support.command import Covattach
from support.interpreters import interpreters, newest
from support.targets import Launch, Target

from covattach.process.interpreter import find_interpreter
from covattach.process.memory import open_memory
from covattach.process.process import Process

Start = Launch


@pytest.fixture
def start(launch: Launch, tmp_path: Path) -> Start:
    """Return a function that builds embedding.c with the static library, and starts it."""

    def build_and_start(minor: str, how: str, *options: str) -> Target:
        wanted = tuple(int(part) for part in minor.split("."))
        interpreter = next(one for one in interpreters() if one.minor == wanted)
        host = hosts.embedding(interpreter, tmp_path, *options)
        return launch(host, how, bare=True, env=hosts.home(interpreter))

    return build_and_start


@pytest.mark.parametrize("minor", ["3.9", "3.13"])
@pytest.mark.parametrize("how", ["released", "sub"])
def test_embedded(minor: str, how: str, start: Start, covattach: Covattach) -> None:
    """A main loop in C is measured while it waits, also where there was a subinterpreter."""
    # GIVEN a program with another name than Python's
    target = start(minor, how, "-rdynamic")

    # WHEN it is attached to, and calls Python
    covattach("start", target.pid)
    target.tell("")
    target.line("answer")

    # THEN the function that it called is measured
    facts = covattach("dump", target.pid, "--json", "--no-html").facts
    assert facts["lines"] == 1
    covattach("stop", target.pid, "--no-dump")
    target.tell("")
    target.line("answer")


def test_keeps_the_gil(start: Start, covattach: Covattach) -> None:
    """One that waits with the GIL lets no Python run: that is said, and it goes on."""
    target = start("3.11", "kept", "-rdynamic")
    said = covattach.fails(6, "start", target.pid, "--timeout", "2")
    assert "keeps the GIL while it waits" in said
    target.tell("")
    target.line("answer")
    assert not target.folders


@pytest.mark.parametrize("minor", ["3.9", "3.11", "3.13"])
def test_without_dynsym(minor: str, start: Start, covattach: Covattach) -> None:
    """A static program has no table of symbols to go by: it is refused with the reason."""
    target = start(minor, "released", "-static", "-s")
    assert "hides the functions that are needed" in covattach.fails(4, "start", target.pid)
    target.tell("")
    target.line("answer")


def test_debug_build(start: Start, covattach: Covattach) -> None:
    """A debug build, which is known by a function that only it has, is refused by name."""
    target = start("3.11", "released", "-rdynamic", "-DDEBUG_BUILD")
    assert "debug build" in covattach.fails(3, "start", target.pid)


@pytest.mark.parametrize("minor", ["3.13", "3.14"])
def test_free_threaded(minor: str, launch: Launch, covattach: Covattach) -> None:
    """A build that says of itself that it has no GIL is refused by name."""
    # GIVEN a target that says so, in the table that debuggers read
    target = launch(newest(minor), "idle.py", "sleep")
    process = Process(target.pid)
    place = find_interpreter(process).runtime + 16
    with open_memory(process) as memory:
        memory.write(place, (1).to_bytes(8, "little"))

        # WHEN it is attached to, THEN it is refused, and untouched
        assert "free-threaded" in covattach.fails(3, "start", target.pid)
        memory.write(place, bytes(8))
    assert target.ask("1 + 1") == 2


def test_pypy(tmp_path: Path, covattach: Covattach) -> None:
    """PyPy is known by its library, and refused by name."""
    library = tmp_path / "libpypy3.9-c.so"
    subprocess.run(["cc", "-shared", "-o", library, "-x", "c", "/dev/null"], check=True)
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"LD_PRELOAD": str(library)}
    ) as popen:
        assert popen.stdin is not None
        assert popen.stdout is not None
        popen.stdin.write(b"ready\n")
        popen.stdin.flush()
        popen.stdout.readline()
        assert "PyPy" in covattach.fails(3, "start", popen.pid)
        popen.stdin.close()
