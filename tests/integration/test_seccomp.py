"""Seccomp filters: one that may kill the target is seen before anything is done."""

from __future__ import annotations

import sys

import pytest
from support.command import Covattach
from support.filters import MOUNT, SOCKET, allowed
from support.interpreters import Interpreter, interpreters, newest
from support.targets import TARGETS, Launch

LESS = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--")


@pytest.mark.pythons("3.11", "3.14")
@pytest.mark.parametrize("action", ["kill", "trap"])
def test_filter_that_kills(
    interpreter: Interpreter, action: str, launch: Launch, covattach: Covattach
) -> None:
    """A filter that may kill is refused with the reason, and the target is untouched."""
    target = launch(interpreter, "filtered.py", action, "deny", SOCKET)
    before = target.residue()
    said = covattach.fails(4, "start", target.pid)
    assert "may kill it at system calls that a session needs: socket." in said
    assert "CPU-bound" not in covattach.run("start", target.pid).err, "the costs of nothing"
    covattach.fails(4, "trace", target.pid, "--for", "1s", "--trust-seccomp")
    done = covattach.run("doctor", target.pid)
    assert done.code == 4, "doctor knows it too"
    target.assert_untouched(before)


@pytest.mark.pythons("3.11", stress=("3.14",))
def test_filter_that_answers_with_an_error(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """One like Docker's or systemd's, for calls that a session does not make, is in no way."""
    target = launch(interpreter, "filtered.py", "error", "deny", MOUNT)
    before = target.residue()
    covattach("start", target.pid)
    target.ask("later()")
    assert covattach("dump", target.pid, "--json", "--no-html").facts["lines"]
    covattach("stop", target.pid, "--no-dump")
    target.assert_untouched(before)

    # AND a filter that refuses a socket makes the start fail, and does no harm
    target = launch(interpreter, "filtered.py", "error", "deny", SOCKET)
    before = target.residue()
    assert "Operation not permitted" in covattach.run("start", target.pid).err
    target.assert_untouched(before)


@pytest.mark.pythons("3.9", "3.14", stress=("3.10", "3.11", "3.12", "3.13", "3.15"))
def test_filter_that_allows_what_is_needed(
    interpreter: Interpreter, launch: Launch, covattach: Covattach
) -> None:
    """One that kills at all but the calls that are listed does not kill: the list is complete."""
    # GIVEN a target that is killed by anything else
    target = launch(interpreter, "filtered.py", "kill", "allow", allowed(interpreter.minor))

    # WHEN it is measured, in all that a session may do, THEN it lives
    covattach("start", target.pid, "--every", "1s")
    target.ask("later()")
    covattach("mark", target.pid, "window")
    assert covattach("dump", target.pid, "--json", "--no-html", "--reset").facts["lines"]
    covattach("stop", target.pid, "--no-dump")
    covattach("trace", target.pid, "--for", "1s")
    assert target.ask("1") == 1


def test_filter_that_cannot_be_read(launch: Launch, covattach: Covattach) -> None:
    """A filter that cannot be read is refused, unless it is trusted or covattach's own."""
    interpreter = newest("3.11")
    target = launch(interpreter, "filtered.py", "error", "deny", MOUNT)
    # GIVEN a covattach that may not read filters
    covattach.program[:0] = LESS

    # WHEN it is to attach, THEN it cannot know
    said = covattach.fails(4, "start", target.pid)
    assert "has a seccomp filter that cannot be read" in said

    # BUT it is told to trust it
    covattach("start", target.pid, "--trust-seccomp")
    covattach("stop", target.pid, "--no-dump")

    # OR both are in one container
    python = next(one.python for one in interpreters() if one.minor == (3, 11))
    filtered = [python, str(TARGETS / "filtered.py"), "error", "deny", str(MOUNT), "--"]
    covattach.program[:] = [*LESS, *filtered, sys.executable, "-m", "covattach", "-v"]
    covattach("start", target.pid)
    covattach("stop", target.pid, "--no-dump")
