"""Every wait is over by --timeout, and the message about it is true, also after a Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support import hosts
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.kills import gdb_of
from support.targets import Launch, Target
from support.waiting import wait_for

SECONDS = 80.0  # generous, for a time-out of 20 s: it was 180 s
NO_HOLD = "gdb did not get hold of process"
LEFT = "ends by itself as soon as Python can run there"


def let_go(target: Target, before: dict[str, Any]) -> None:
    """Let the target give the GIL away: then nothing is left of the agent."""
    target.tell("let go")
    target.line("alone")
    wait_for(lambda: target.traces() == before, "nothing is left")


@pytest.mark.stress
@pytest.mark.pythons("3.9", "3.11", "3.14")
def test_a_gil_that_goes_away(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A target that keeps the GIL once the line has run is waited for until the time-out."""
    # GIVEN a target that keeps the GIL as soon as there is an agent in it
    target = launch(interpreter, "keeping.py")
    before = target.traces()

    # WHEN it is attached to
    began = time.monotonic()
    done = covattach.run("start", target.pid, "--timeout", "20s")

    # THEN covattach gives up in time, and says truly that the rest ends by itself
    assert time.monotonic() - began < SECONDS
    assert done.code == 5, done.err
    assert LEFT in done.line("Error: ")
    target.line("keeps")
    let_go(target, before)


@pytest.mark.pythons("3.11", stress=("3.9", "3.13", "3.14"))
def test_an_interruption_that_undoes_nothing(
    interpreter: Interpreter, covattach: Covattach, launch: Launch
) -> None:
    """A Ctrl-C while nothing can be undone does not say that it is."""
    # GIVEN a target that keeps the GIL while it is attached to
    target = launch(interpreter, "keeping.py")
    before = target.traces()
    popen = covattach.begin("start", target.pid)
    target.line("keeps")

    # WHEN that is interrupted
    popen.send_signal(signal.SIGINT)
    done = covattach.end(popen, SECONDS)

    # THEN it says truly that the rest ends by itself
    assert "has been undone" not in done.err
    assert LEFT in done.line("Interrupted")
    let_go(target, before)


@pytest.mark.parametrize(
    "name",
    [
        "3.11-pyenv",
        *(pytest.param(f"{one}-pyenv", marks=pytest.mark.stress) for one in ("3.9", "3.13")),
    ],
)
def test_an_idle_host_keeps_the_gil(
    name: str, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """A host that waits with the GIL, as an idle PostgreSQL backend does, is given up in time."""
    # GIVEN a program that has run Python, and waits in C code
    interpreter = next(one for one in interpreters() if one.id == name)
    library = hosts.config(interpreter)["loaded"][0]
    host, home = hosts.loading(interpreter, tmp_path), hosts.home(interpreter)
    target = launch(host, "kept", library, bare=True, env=home)
    target.ask("later()")
    before = target.traces()

    # WHEN it is attached to, THEN that ends by the time-out, and nothing is left
    began = time.monotonic()
    assert "keeps the GIL while it waits" in covattach.fails(6, "start", target.pid, "--timeout", 5)
    assert time.monotonic() - began < SECONDS
    assert target.traces() == before

    # AND a Ctrl-C meanwhile undoes the attach, as it says
    popen = covattach.begin("start", target.pid)
    wait_for(lambda: target.folders, "the attach")
    wait_for(lambda: gdb_of(popen.pid), "gdb")
    wait_for(lambda: not gdb_of(popen.pid), "the end of gdb")
    popen.send_signal(signal.SIGINT)
    assert "has been undone" in covattach.end(popen, SECONDS).err
    assert target.traces() == before

    # AND the program goes on
    assert target.ask("later()") == 1


@pytest.mark.pythons("3.11", stress=("3.9", "3.13"))
def test_a_gdb_that_says_nothing(
    interpreter: Interpreter, covattach: Covattach, launch: Launch, tmp_path: Path
) -> None:
    """A program by the name of gdb that does not answer is ended by the time-out."""
    target = launch(interpreter, "idle.py", "event")
    before = target.residue()
    (tmp_path / "gdb").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "gdb").chmod(0o755)
    began = time.monotonic()
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = covattach.run("start", target.pid, "--timeout", 5, env={"PATH": path})
    assert time.monotonic() - began < SECONDS
    assert done.code == 6
    assert NO_HOLD in done.line("Error: ")
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", stress=("3.11", "3.12", "3.13"))
@pytest.mark.parametrize("when", ["at once", "with the target in its hands"])
def test_a_gdb_that_hangs(
    interpreter: Interpreter, when: str, covattach: Covattach, launch: Launch
) -> None:
    """A gdb that goes no further is ended by the time-out, and the target runs on."""
    target = launch(interpreter, "idle.py", "event")
    before = target.residue()
    began = time.monotonic()
    popen = covattach.begin("start", target.pid, "--timeout", 5)
    gdb = wait_for(lambda: gdb_of(popen.pid), "gdb")
    if when != "at once":
        while target.status("TracerPid") == "0" and popen.poll() is None:
            continue
    with contextlib.suppress(ProcessLookupError):  # it had done its work already
        os.kill(gdb, signal.SIGSTOP)
    done = covattach.end(popen, SECONDS)
    assert time.monotonic() - began < SECONDS
    if done.code == 0:  # it had done its work at that moment
        covattach("stop", target.pid, "--no-dump")
    else:
        assert done.code == 6
        assert NO_HOLD in done.line("Error: ")
    assert target.is_well()
    target.assert_untouched(before)


@pytest.mark.stress
@pytest.mark.pythons("3.11", "3.14")
def test_seldom_switches(interpreter: Interpreter, covattach: Covattach, launch: Launch) -> None:
    """A target whose busy threads give the GIL up once in 3 s is measured, asked and left."""
    # GIVEN such a target
    target = launch(interpreter, "idle.py", "busy")
    target.ask("sys.setswitchinterval(3)")

    # WHEN it is measured, THEN each command comes to its end
    covattach("start", target.pid)
    covattach("dump", target.pid, "--no-html")
    covattach("stop", target.pid, "--no-dump")

    # AND the interval is what it was
    assert target.ask("[sys.getswitchinterval(), sys.setswitchinterval(0.005)]") == [3.0, None]
