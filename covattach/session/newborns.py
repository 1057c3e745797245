"""Newborns of a tree: children that were forked just now, and make their folders in a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from covattach.errors import CovattachError
from covattach.process.descendants import children_of
from covattach.process.process import Process

BIRTH = 1.0  # seconds in which a child that was forked just now has opened its door, or has ended


def wait_for_newborns(
    first: int, listening: Callable[[], set[int]], stopped: float | None = None
) -> None:
    """Wait until each child that was forked just now can be asked, has ended, or is another.

    It makes its folder a moment after its birth.  Only children of measured processes that run the
    same program are looked at; one that C code has forked is never going to be there.  `first` is
    the tree's first process.  If it was stopped, at the time `stopped`, its later children are left
    out.  `listening` returns the members that can be asked.
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
    """Whether `parent` has a child that was born within the last second, and is not `known`.

    But not within the last `since` seconds.
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
