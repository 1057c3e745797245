"""Snapshots of a tree's ended processes, merged by role so that their number does not grow.

A server that replaces its workers leaves a snapshot of each.  A dump merges those of one role into
one file in the tree's folder.  From then on, it is unknown which of these processes ran a line.
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

FEW = 16  # ended processes: up to so many are not merged, and each keeps its own name
GATHERED = "ended-"  # how the names of files with merged snapshots begin
UNKNOWN = Owner(65534, 65534)  # the user "nobody"


def read(first: Session) -> list[Snapshot]:
    """Return the merged snapshots in a tree's folder; damaged ones are left out.

    `first` is the tree's first session.  The witnesses of each snapshot are the users named in its
    file, and those of `first`.
    """
    found = []
    for name in first.folder.names(GATHERED):
        with contextlib.suppress(OSError, CovattachError):
            found.append(gathered(first, name))
    return found


def gathered(first: Session, name: str) -> Snapshot:
    """Return the merged snapshot in a file of the tree's folder; raises OSError, SnapshotError."""
    taken = first.folder.snapshot_in(name)
    said_by = taken.facts.get("said_by")
    return replace(taken, witness=first.witness().with_others(owners(said_by)))


def owners(said_by: Any) -> list[Owner]:
    """Return the users in `said_by`, pairs of user and group; the user "nobody" if malformed."""
    try:
        found = [Owner(int(uid), int(gid)) for uid, gid in said_by]
    except (TypeError, ValueError):
        found = []
    return found or [UNKNOWN]


def discard(folder: SessionFolder, gone: list[Session]) -> None:
    """Remove the snapshots of the ended sessions `gone`, and the merged ones in a tree's folder."""
    for name in folder.names(GATHERED):
        folder.remove_file(name)
    for one in gone:
        if one.folder != folder:
            one.folder.remove()
        else:
            folder.remove_file(session_files.SNAPSHOT)


def gather(first: Session, gone: list[tuple[Session, Snapshot]]) -> None:
    """Merge the snapshots of ended processes by role, if there are many, and remove their folders.

    `first` is the tree's first session, whose folder gets the merged snapshots, and stays.  Nothing
    is done for up to FEW processes, or while another command is merging them.
    """
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
    """Merge the snapshot `taken` into that of its role and witnesses, in the tree's folder."""
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
    """Add the lines in `files` to those in `into`; both map names of files to sets of lines."""
    for name, held in files.items():
        into.setdefault(name, set()).update(held)


@contextlib.contextmanager
def alone(folder: SessionFolder) -> Iterator[bool]:
    """Try to lock a tree's folder, so that nobody else merges snapshots in the body (flock(2)).

    Yields whether it is locked.  Non-blocking: the target's user can hold the lock for ever, and
    snapshots that are not merged now are still there the next time.
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
