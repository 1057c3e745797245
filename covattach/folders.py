"""Finding sessions' folders again: by what they say of themselves.

They are believed only where they belong to the user whom the process belongs to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import CovattachError
from covattach.folder import BASES, Folder, folders_in
from covattach.target.elsewhere import processes_elsewhere
from covattach.target.process import Process


def find(process: Process) -> list[Folder]:
    """Return the folders of sessions that measure `process`, or have measured it."""
    found = []
    for folder in folders_in(process.root, (*BASES, *process.memory_folders)):
        # A worker that has changed its user since it was born has a folder of its first one's.
        if not (folder.belongs_to(process.uid) or folder.belongs_to(0)):
            continue
        facts = folder.facts
        # `start.py`, in the target, cannot know by which PID we know it.
        same_pid = facts.get("pid") in (process.pid, process.inner_pid)
        if same_pid and facts.get("start_time") == process.start_time:
            found.append(folder)
    return found


def clear(process: Process) -> None:
    """Remove what is left of sessions that are over, of the user whom `process` belongs to.

    That is of processes that have ended, also where another one has their PID now.
    """
    for folder in folders_in(process.root):
        if folder.belongs_to(process.uid) and "pid" in folder.facts and folder.is_dead():
            folder.remove()


def everywhere() -> Iterator[Folder]:
    """Yield the session folders on this host that we may look into, in containers too."""
    seen = set()
    roots: list[tuple[Path, tuple[str, ...]]] = [(Path("/"), BASES)]
    for process in processes_elsewhere():
        with contextlib.suppress(CovattachError, OSError):
            roots.append((process.root, (*BASES, *process.memory_folders)))
    for root, bases in roots:
        for folder in folders_in(root, bases):
            with contextlib.suppress(OSError):  # it has just been removed
                found = folder.path.lstat()
                if (found.st_dev, found.st_ino) not in seen:  # one that several can see
                    seen.add((found.st_dev, found.st_ino))
                    yield folder


def find_ended(pid: int) -> Folder | None:
    """Return the newest folder of a session whose process `pid` has ended, or None.

    Only one that belongs to us is believed.  Root believes what anybody says of his own, and says
    whose word that is; but his own comes first.
    """
    found = [
        folder
        for folder in folders_in(Path("/"))
        if (os.geteuid() == 0 or folder.belongs_to(os.geteuid())) and folder.facts.get("pid") == pid
    ]

    def rank(folder: Folder) -> tuple[bool, float]:
        return folder.is_ours_alone, float(folder.facts.get("created", 0))

    return max(found, key=rank, default=None)
