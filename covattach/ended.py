"""What the processes of a tree have left that have ended, gathered so that it does not grow.

A server that renews its workers leaves a snapshot of each.  Whoever dumps puts those that are of
one role together, in the folder of the tree; which of them ran what is not known any more then.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from covattach.folder import Folder
from covattach.reports.saved import read_snapshot, write_snapshot
from covattach.reports.snapshot import Snapshot, SnapshotError
from covattach.session import Session

FEW = 16  # that are left as they are, each under its own name
GATHERED = "ended-"


def read(place: Folder) -> list[Snapshot]:
    """Return what has been gathered in the folder of a tree; what is damaged is left out."""
    found = []
    for path in sorted(place.path.glob(GATHERED + "*")):
        with contextlib.suppress(SnapshotError):
            found.append(read_snapshot(path))
    return found


def forget(place: Folder, gone: list[Session]) -> None:
    """Remove what processes that have ended had saved."""
    for path in place.path.glob(GATHERED + "*"):
        path.unlink(missing_ok=True)
    for one in gone:
        if one.folder != place:
            one.folder.remove()
        else:
            one.folder.snapshot.unlink(missing_ok=True)


def gather(place: Folder, gone: list[tuple[Session, Snapshot]]) -> None:
    """Put what many processes have saved together, by their roles, and remove their folders."""
    gone = [(one, taken) for one, taken in gone if one.folder != place]
    if len(gone) <= FEW:
        return
    with alone(place):
        for one, taken in gone:
            if one.folder.snapshot.exists():  # otherwise somebody else has been here
                add(place, str(taken.facts.get("role") or "process"), taken)
                one.folder.remove()


def add(place: Folder, role: str, taken: Snapshot) -> None:
    """Add a snapshot to what is gathered of a role."""
    name = f"{role} {taken.branch}"
    path = place.path / (GATHERED + hashlib.sha256(name.encode()).hexdigest()[:12])
    with contextlib.suppress(SnapshotError):
        taken = united(taken, read_snapshot(path))
    write_snapshot(path, replace(taken, facts={"role": role, "gathered": True}))
    place.give(path)


def united(one: Snapshot, other: Snapshot) -> Snapshot:
    """Return what ran in either of two processes, window by window."""
    windows: dict[str, dict[str, set[Any]]] = {}
    for taken in (one, other):
        for window, held in (taken.windows or {"": taken.files}).items():
            union(windows.setdefault(window, {}), held)
    files: dict[str, set[Any]] = {}
    for ran in windows.values():
        union(files, ran)
    named = windows if one.windows or other.windows else {}
    tracers = {**other.file_tracers, **one.file_tracers}
    return replace(one, files=files, windows=named, file_tracers=tracers)


def union(into: dict[str, set[Any]], files: Any) -> None:
    """Add what ran of each file."""
    for name, held in files.items():
        into.setdefault(name, set()).update(held)


@contextlib.contextmanager
def alone(place: Folder) -> Iterator[None]:
    """Be the only one who gathers in this folder (flock(2), which ends with its holder)."""
    descriptor = os.open(place.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
