"""Who belongs to a tree in the process table: descendants, and those that were born just now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from covattach.errors import CovattachError
from covattach.process.descendants import children_of
from covattach.process.process import Process

if TYPE_CHECKING:
    from covattach.session.tree import Tree

BIRTH = 1.0  # seconds in which a child that was forked just now has opened its door, or has ended


def wait_for_births(tree: Tree, stopped: float | None = None) -> None:
    """Wait until each child that was forked just now can be asked, has ended, or is another.

    It makes its folder a moment after its birth.  Only children of measured processes that run the
    same program are looked at; one that C code has forked is never going to be there.  `stopped` is
    when the first process was: its later children are left out.
    """
    deadline = time.monotonic() + BIRTH
    while time.monotonic() < deadline:
        known = {one.pid for one in tree.members() if one.folder.has("agent.sock")}
        since = 0.0 if stopped is None else time.monotonic() - stopped
        if not any(
            is_newborn(pid, known, since if pid == tree.pid else 0.0) for pid in known | {tree.pid}
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


def descendants(pid: int) -> Iterator[int]:
    """Yield the descendants of a process, parents before their children."""
    ahead = children_of(pid)[::-1]
    while ahead:
        child = ahead.pop()
        yield child
        ahead += children_of(child)[::-1]
