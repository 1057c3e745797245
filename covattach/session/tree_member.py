"""One process of a tree: its snapshot, its windows, and its end.

Unlike for a process that the user names, it is no error if it has ended, or is stopped.
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
    """Return the snapshot of one process, or None if there is none.

    Of an ended or stopped process it is the last saved one.  Raises NotNow if a running process
    does not answer in time.  With `reset`, the data in the process is emptied afterwards.
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
    """Return the last saved snapshot of a process; None if there is none, or it is damaged.

    None also if the process is there, and the folder is not its user's.
    """
    if not folder_lookup.is_owners(member.folder):
        return None
    try:
        return Taken(member, named(member.last_save(), member.pid))
    except (OSError, CovattachError):
        return None


def named(found: Snapshot, pid: int | None = None) -> Snapshot:
    """Return a snapshot named for reports: by the process's role, and its PID or "(ended)"."""
    role = str(found.facts.get("role") or "process")
    return replace(found, process=f"{role} {pid or '(ended)'}")


def mark(member: Session, name: str) -> dict[str, Any] | None:
    """Begin the window `name` in one process; return the agent's facts, None without a reply."""
    try:
        return member.mark(name)
    except (NoSession, agent_client.NoAnswer):  # one that is stopped begins it when it goes on
        return None


def stop(member: Session) -> Taken | None:
    """Stop measuring one process; return its last snapshot, or None if there is none.

    A stopped process ends measuring once it is continued, and its last saved snapshot is returned.
    The session folder is removed, unless it is the tree's.
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
