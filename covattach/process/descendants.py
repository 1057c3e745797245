"""The children and all descendants of a process, read from /proc (proc(5))."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from covattach.process import plain_files

LONGEST = 1 << 25  # bytes: four million children, as many processes as there can be


def children_of(pid: int) -> list[int]:
    """Return the PIDs of the children of all threads of a process; [] if it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while the list is read, too
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread may end at any time
                found += map(int, plain_files.text(path, LONGEST).split())
    return found


def descendants(pid: int) -> Iterator[int]:
    """Yield the PIDs of all descendants of a process, parents before their children."""
    ahead = children_of(pid)[::-1]
    while ahead:
        child = ahead.pop()
        yield child
        ahead += children_of(child)[::-1]
