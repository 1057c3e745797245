"""Lookup of sessions: that of one process, or all on this host.

measured.py finds trees, too.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from covattach.deadline import COMMAND
from covattach.errors import CovattachError, NotNow
from covattach.payloads import session_files
from covattach.process import procfs_errors
from covattach.process.process import Process
from covattach.session import agent_client, agent_errors, folder_lookup, folders_everywhere
from covattach.session.folder import SessionFolder
from covattach.session.session import Session

AT_ONCE = 32  # sessions that are asked concurrently
FIRST = 10.0  # seconds for a session found by PID: the target may give up the GIL seldom
SUSPENDED = 1.0  # seconds for a stopped process, which answers only if it is just continued
SILENT = 0.5  # seconds after which a session in a list is shown as not answering
OF_ONE_USER = 4.0  # seconds for all sessions of one user


def find_session(pid: int) -> Session:
    """Return the session of process `pid`, also if it has ended.

    Raises NoSession, NoTarget if there is neither a process nor a session, and PayloadFailed if our
    code failed at its start.
    """
    try:
        process = Process(pid)
    except CovattachError:
        ended = folder_lookup.find_ended(pid)
        if ended is None:
            raise
        return of_ended(pid, ended)
    failed = [(folder, folder.fault) for folder in folder_lookup.find(process) if folder.fault]
    running = measuring(process)
    if running is not None:
        return running
    for folder, fault in failed:
        if not folder.has(session_files.SNAPSHOT):
            raise agent_errors.payload_failed(fault)
        return of_failed(pid, folder, fault)
    ended = folder_lookup.find_ended(pid)
    if ended is None:
        raise agent_errors.no_session(pid)
    return of_ended(pid, ended)


def of_ended(pid: int, folder: SessionFolder) -> Session:
    """Return the session of an ended process; a warning names the user whose word it rests on."""
    found = Session(pid, folder, folder.facts, alive=False)
    if found.is_word_of is not None:
        word = f"That this was process {pid} is the word of user {found.is_word_of}"
        found.facts["warnings"] = [
            *found.facts.get("warnings", []),
            f"{word}, whose session it is.",
        ]
    return found


def of_failed(pid: int, folder: SessionFolder, fault: str) -> Session:
    """Return a session that ended because covattach failed in it; `fault` is the traceback."""
    off = f"It is not measured any more, by a fault of covattach's: {last_line(fault)}"
    return Session(pid, folder, {**folder.facts, "off": off}, alive=False)


def last_line(traceback: str) -> str:
    """Return the last line of a traceback: the exception's type, and its message."""
    return (traceback.strip().splitlines() or ["it could not be told which"])[-1]


def everywhere() -> list[Session]:
    """Return every session on this host that we may look at, including ended ones.

    The agents are asked concurrently.
    """
    patience = Patience()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(
            lambda folder: looked_at(folder, patience), folders_everywhere.everywhere()
        )
        return [one for one in found if one is not None]


class Patience:
    """The time that agents have to answer, for each user: no user's agents delay another's."""

    def __init__(self) -> None:
        self.deadlines: dict[int | None, float] = {}

    def left(self, folder: SessionFolder) -> float:
        """Return for how many seconds the agent of `folder` may be waited for; may be negative."""
        user = folder.owner.uid if folder.owner else None
        deadline = self.deadlines.setdefault(user, time.monotonic() + OF_ONE_USER)
        return min(SILENT, deadline - time.monotonic())


def looked_at(folder: SessionFolder, patience: Patience | None = None) -> Session | None:
    """Return the session in a folder, or None if there is none; remove a dead folder.

    `patience` limits the wait for the user's agents.  Once it is used up, dead folders of that user
    are left: there may be any number of them.
    """
    pid = folder.facts.get("pid")
    if not isinstance(pid, int) or not folder_lookup.is_owners(folder):
        return None
    seconds = patience.left(folder) if patience else SILENT
    try:
        with procfs_errors.made_sense():
            facts = agent_client.answers(folder, max(seconds, 0.01))
    except agent_client.NoAnswer:
        facts = {"silent": True}
    except CovattachError as error:
        facts = {"off": error.message}
    if facts is None and seconds > 0 and folder_lookup.is_dead(folder):
        folder.remove()
    elif facts is None and folder.has(session_files.SNAPSHOT) and folder.fault:
        return of_failed(pid, folder, folder.fault)
    elif facts is not None or folder.has(session_files.SNAPSHOT):
        return Session(pid, folder, {**folder.facts, **(facts or {})}, facts is not None)
    return None


def measuring(process: Process) -> Session | None:
    """Return the live session that measures `process`, or None.

    Folders left by a killed attach are removed, unless there is a snapshot in them.  Raises NotNow
    while another covattach attaches, or if the agent does not answer.
    """
    for folder in folder_lookup.find(process):
        if folder.is_only_a_tree():
            continue
        try:
            seconds = SUSPENDED if process.is_stopped else FIRST
            facts = agent_client.answers(folder, COMMAND.current().within(seconds).left)
        except agent_client.NoAnswer:
            raise agent_errors.silent(process) from None
        if facts is not None and facts.get("measuring"):
            facts = {**folder.facts, **facts, "pid": process.pid}
            return Session(process.pid, folder, facts, alive=True)
        if folder.is_being_made():
            raise NotNow(
                f"Process {process.pid} is being attached to by another covattach.",
                "Wait for it to end.",
            )
        if not folder.has(session_files.SNAPSHOT):
            folder.remove()
    return None
