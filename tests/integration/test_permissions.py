"""Who may attach to whose process: a table of real users, with and without CAP_SYS_PTRACE.

The same table is in docs/containers.md.  Only root can be several users.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Covattach
from support.interpreters import Interpreter, interpreters
from support.targets import TARGETS, Launch
from test_errors import readable_covattach

USER, OTHER = 54321, 54322
SYSTEM = [one for one in interpreters() if one.python.startswith("/usr/bin/")]


def as_user(uid: int, *more: str) -> list[str]:
    """Return the words that run a program as a user, with `more` options of setpriv."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *more, "--"]


def with_capability(name: str) -> tuple[str, str]:
    """Return the options that let a user have one capability."""
    return f"--inh-caps=+{name}", f"--ambient-caps=+{name}"


CALLERS = {
    "root": [],
    "root without SYS_PTRACE": ["setpriv", "--bounding-set=-sys_ptrace", "--"],
    "same user": as_user(USER),
    "same user with SYS_PTRACE": as_user(USER, *with_capability("sys_ptrace")),
    "other user": as_user(OTHER),
    "other user with SYS_PTRACE": as_user(OTHER, *with_capability("sys_ptrace")),
}
TARGETS_OF = {
    "user's": (as_user(USER), "dumpable"),
    "user's, not dumpable": (as_user(USER), "not"),
    "user's, with more rights": (as_user(USER, *with_capability("net_bind_service")), "dumpable"),
    "root's": ([], "dumpable"),
    "root's, without SYS_PTRACE": (["setpriv", "--bounding-set=-sys_ptrace", "--"], "dumpable"),
}
# What is said where it does not work; "" where it works.  The order is that of TARGETS_OF.
TABLE = {
    "root": ["", "", "", "", ""],
    "root without SYS_PTRACE": ["SYS_PTRACE", "SYS_PTRACE", "SYS_PTRACE", "SYS_PTRACE", ""],
    "same user": ["", "not dumpable", "rights that you have not", "belongs to", "belongs to"],
    "same user with SYS_PTRACE": ["", "alone", "", "alone", "alone"],
    "other user": ["belongs to", "belongs to", "belongs to", "belongs to", "belongs to"],
    "other user with SYS_PTRACE": ["alone", "alone", "alone", "alone", "alone"],
}
# The lower half of the table says the same of every target: all of that takes long.
LONG = {(caller, target) for caller in list(TABLE)[4:] for target in list(TARGETS_OF)[1:]}
PAIRS = [
    pytest.param(
        caller, target, said, marks=[pytest.mark.stress] if (caller, target) in LONG else []
    )
    for caller, row in TABLE.items()
    for target, said in zip(TARGETS_OF, row, strict=True)
]


@pytest.fixture(scope="module")
def readable() -> Iterator[tuple[Path, str]]:
    """Give a covattach, targets and a Python that every user can read."""
    assert os.geteuid() == 0, "only root can be several users"
    with readable_covattach() as (folder, python):
        shutil.copytree(TARGETS, folder / "targets")
        for name in ("here", "home"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
        yield folder, python


@pytest.mark.parametrize(("caller", "whose", "said"), PAIRS)
def test_the_table(
    caller: str, whose: str, said: str, readable: tuple[Path, str], launch: Launch
) -> None:
    """An attach works, or ends soon with the reason and a remedy that fits, and nothing is done."""
    # GIVEN a target of somebody's
    folder, python = readable
    words, how = TARGETS_OF[whose]
    site = f"{folder}:{folder / 'targets'}"
    program = [*words, SYSTEM[-1].python, folder / "targets" / "guarded.py", how]
    target = launch(
        Interpreter("", "3.11", str(program[0]), site), program[1], *program[2:], bare=True, cwd="/"
    )
    before = target.residue()

    # WHEN somebody measures it
    theirs = Covattach(folder / "here")
    theirs.program = [*CALLERS[caller], python, "-m", "covattach"]
    environment = {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "home")}
    arguments = ("start", target.pid, "--data-file", f"/tmp/none-{target.pid}")  # noqa: S108
    began = time.monotonic()
    if said:
        # THEN it says why not
        message = theirs.fails(4, *arguments, env=environment)
        print(f"refused after {time.monotonic() - began:.1f} s")
        assert said in message
    else:
        # THEN it works
        theirs(*arguments, env=environment)
        theirs("stop", target.pid, "--no-dump", env=environment)
    target.assert_untouched(before)

    # AND the doctor had known
    if caller == "same user":
        found = theirs.run("doctor", target.pid, env=environment)
        assert found.code == (4 if said else 0)
        assert said in " ".join(found.err.split())  # the table breaks its lines
