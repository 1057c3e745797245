"""Newborns of a tree: children that were forked just now, and whose agents do not listen yet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from covattach.errors import CovattachError
from covattach.process.descendants import children_of
from covattach.process.process import Process

BIRTH = 1.0  # seconds within which the agent of a forked child listens, or the child has ended


def wait_for_newborns(
    first: int, listening: Callable[[], set[int]], stopped: float | None = None
) -> None:
    """Wait until all children forked just now have agents that listen; at most BIRTH seconds.

    Not waited for: children that have ended, run another program, or were forked by C code, which
    never get an agent.  `first` is the PID of the tree's first process.  If measuring it was
    stopped, at the time `stopped` of `time.monotonic`, its later children are left out.
    `listening` returns the PIDs of the members that can be asked.
    """
    deadline = time.monotonic() + BIRTH
    while time.monotonic() < deadline:
        known = listening()
        since = 0.0 if stopped is None else time.monotonic() - stopped
        if not any(
            is_newborn(pid, known, since if pid == first else 0.0) for pid in known | {first}
        ):
            return
        time.sleep(0.005)


def is_newborn(parent: int, known: set[int], since: float) -> bool:
    """Whether `parent` has a child that is not in `known`, runs its program, and is newly born.

    That is younger than BIRTH, but not younger than `since` seconds.
    """
    for pid in children_of(parent):
        if pid in known:
            continue
        try:
            child = Process(pid)
            same = os.readlink(child.proc / "exe") == os.readlink(f"/proc/{parent}/exe")
        except (CovattachError, OSError):
            continue
        if same and since <= child.age() < BIRTH:
            return True
    return False
