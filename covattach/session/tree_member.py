"""One process of a tree: a snapshot of it, its windows, and its end.

Other than of a process that is asked for, nobody minds if it has ended, or cannot answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from covattach.errors import CovattachError, NoSession, NotNow
from covattach.process import procfs_errors
from covattach.process.process import Process
from covattach.session import agent_client, agent_errors, folder_lookup, waiting
from covattach.session.session import Session, Taken
from covattach.snapshot.snapshot import Snapshot


def snapshot(member: Session, reset: bool) -> Taken | None:
    """Return the snapshot of one process; None if it has left none.

    Of a stopped process it is the last save: it would answer when nobody listens any more.
    """
    if waiting.is_stopped(member.pid):
        return of_ended(member)
    try:
        deadline = waiting.patience(member.pid)
        header, blob = agent_client.ask(member.folder, "dump", deadline, reset=reset, imports=False)
        member.facts = {**member.facts, **header}
        member.pid = header["sender"] or member.pid
        found = named(member.told(header, blob), member.pid)
        return Taken(member, found, float(header.get("snapshot_ms", 0.0)))
    except agent_client.NobodyThere:
        member.alive = False
    except agent_client.NoAnswer:
        if not waiting.is_stopped(member.pid):
            raise agent_errors.silent(Process(member.pid)) from None
    return of_ended(member)


def of_ended(member: Session) -> Taken | None:
    """Return the last save of a process that has ended; None if there is none, or it is damaged.

    Nor is it believed if the process is there, and another user's.
    """
    if not folder_lookup.is_owners(member.folder):
        return None
    try:
        return Taken(member, named(member.last_save(), member.pid))
    except (OSError, CovattachError):
        return None


def named(found: Snapshot, pid: int | None = None) -> Snapshot:
    """Return a snapshot named by its process: a role, and a number where several have it."""
    role = str(found.facts.get("role") or "process")
    return replace(found, process=f"{role} {pid or '(ended)'}")


def mark(member: Session, name: str) -> dict[str, Any] | None:
    """Begin a window in one process, and return the facts; None for one that has none to tell."""
    try:
        return member.mark(name)
    except (NoSession, agent_client.NoAnswer):  # one that is stopped begins it when it goes on
        return None


def stop(member: Session) -> Taken | None:
    """Stop one process; None for one that has left nothing.

    One that is stopped ends measuring when it goes on; here its last save counts.  The folder of
    the first is that of the tree, and stays until the end.
    """
    is_first = member.facts.get("tree") == member.folder.path_in_target
    try:
        with procfs_errors.made_sense():
            found = member.end().snapshot
        return Taken(member, named(found, member.pid))
    except NotNow:
        return of_ended(member)
    except CovattachError:  # it has gone, or says what makes no sense: the others are stopped, too
        return None
    finally:
        if not is_first:
            member.folder.remove()
