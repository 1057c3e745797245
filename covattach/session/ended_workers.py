"""Snapshots of the ended processes of a tree, gathered so that their number does not grow.

A server that renews its workers leaves a snapshot of each.  A dump puts those of one role
together, in the tree's folder.  From then on, it is unknown which of these processes ran a line.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from covattach.errors import CovattachError
from covattach.payloads import session_files
from covattach.process import nofollow
from covattach.process.owner import Owner
from covattach.session.folder import SessionFolder
from covattach.session.session import Session
from covattach.snapshot.saved_file import written
from covattach.snapshot.snapshot import Snapshot
from covattach.snapshot.witness import Witness

FEW = 16  # that are left as they are, each under its own name
GATHERED = "ended-"
UNKNOWN = Owner(65534, 65534)  # nobody, the user


def read(first: Session) -> list[Snapshot]:
    """Return the gathered snapshots in a tree's folder; damaged ones are left out.

    Their witnesses are the users named in them, and the folder's owner.
    """
    found = []
    for name in first.folder.names(GATHERED):
        with contextlib.suppress(OSError, CovattachError):
            found.append(gathered(first, name))
    return found


def gathered(first: Session, name: str) -> Snapshot:
    """Return the snapshot in one of these files; raises OSError, SnapshotError."""
    taken = first.folder.snapshot_in(name)
    said_by = taken.facts.get("said_by")
    return replace(taken, witness=first.witness().with_others(owners(said_by)))


def owners(said_by: Any) -> list[Owner]:
    """Return the users that a file names; nobody, the user, where it does not."""
    try:
        found = [Owner(int(uid), int(gid)) for uid, gid in said_by]
    except (TypeError, ValueError):
        found = []
    return found or [UNKNOWN]


def forget(folder: SessionFolder, gone: list[Session]) -> None:
    """Remove the saved snapshots of processes that have ended."""
    for name in folder.names(GATHERED):
        folder.drop(name)
    for one in gone:
        if one.folder != folder:
            one.folder.remove()
        else:
            folder.drop(session_files.SNAPSHOT)


def gather(first: Session, gone: list[tuple[Session, Snapshot]]) -> None:
    """Merge the snapshots of many ended processes by their roles, and remove their folders."""
    folder = first.folder
    gone = [(one, taken) for one, taken in gone if one.folder != folder]
    if len(gone) <= FEW:
        return
    with alone(folder) as is_alone:
        for one, taken in gone if is_alone else []:
            if one.folder.has(session_files.SNAPSHOT):  # otherwise somebody else has been here
                add(first, str(taken.facts.get("role") or "process"), taken)
                one.folder.remove()


def add(first: Session, role: str, taken: Snapshot) -> None:
    """Add a snapshot to the gathered one of its role and of the same users, its witnesses."""
    users = taken.witness.owners if isinstance(taken.witness, Witness) else (UNKNOWN,)
    said_by = [[one.uid, one.gid] for one in users]
    name = f"{role} {taken.branch} {said_by}"
    file = GATHERED + hashlib.sha256(name.encode()).hexdigest()[:12]
    with contextlib.suppress(OSError, CovattachError):
        taken = united(taken, first.folder.snapshot_in(file))
    facts = {"role": role, "gathered": True, "said_by": said_by}
    first.folder.add_file(file, written(replace(taken, facts=facts)))


def united(one: Snapshot, other: Snapshot) -> Snapshot:
    """Return the union of two processes' snapshots, window by window."""
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
    """Add the lines of each file."""
    for name, held in files.items():
        into.setdefault(name, set()).update(held)


@contextlib.contextmanager
def alone(folder: SessionFolder) -> Iterator[bool]:
    """Be the only one who gathers in this folder (flock(2), which ends with its holder).

    Yields whether that is so.  Nobody is waited for: the target's user can hold the lock for ever,
    and snapshots that are not gathered now are there the next time.
    """
    with folder.opened() as held:
        descriptor = os.open(".", nofollow.LIST, dir_fd=held)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
