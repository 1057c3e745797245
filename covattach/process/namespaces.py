"""Processes whose root directory is another than ours, as in containers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from covattach.errors import NoTarget
from covattach.process.process import Process


def processes_elsewhere() -> Iterator[Process]:
    """Yield one process for each root directory that is not ours and that we may look at."""
    seen = {place_of("self")}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError, NoTarget):
            place = place_of(pid)
            if place not in seen:
                seen.add(place)
                yield Process(int(pid))


def place_of(pid: str) -> tuple[str, int, int]:
    """Return the mount namespace, device and inode that identify a process's root.

    `pid` is its PID as text, or "self".
    """
    found = os.stat(f"/proc/{pid}/root/.")
    return os.readlink(f"/proc/{pid}/ns/mnt"), found.st_dev, found.st_ino
