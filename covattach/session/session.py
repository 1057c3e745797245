"""One session: its snapshots, its windows, and its end.

A tree of sessions has the same methods, see tree.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from covattach.errors import NoSession, NoTarget
from covattach.payloads import session_files
from covattach.process import credentials
from covattach.process.owner import Owner
from covattach.process.process import Process
from covattach.session import (
    agent_client,
    agent_errors,
    coverage_settings,
    folder_lookup,
    trusted_record,
    waiting,
)
from covattach.session.folder import SessionFolder
from covattach.snapshot.snapshot import Snapshot, decode
from covattach.snapshot.witness import Witness
from covattach.untrusted import said

Count = Callable[[int, int], None]  # called with how many are done, and of how many


def ignore_count(done: int, total: int) -> None:
    """Ignore the progress: `done` of `total` processes have been asked."""


class Taken(NamedTuple):
    """A snapshot, its session, and how many milliseconds the target worked on it."""

    session: Session
    snapshot: Snapshot
    milliseconds: float = 0.0


@dataclass
class Session:
    """A session, live or ended; `facts` are the agent's, or those in its folder.

    `first` is the first session of its tree, whose settings and working directory count for all;
    None for a process alone.  `record` is our own record of its beginning, see trusted_record.py.
    """

    pid: int
    folder: SessionFolder
    facts: dict[str, Any]
    alive: bool
    first: Session | None = None
    record: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Read our record of the session's beginning, which the target's user cannot change."""
        self.record = trusted_record.of(self.folder)

    @property
    def leader(self) -> Session:
        """The session whose settings and working directory count: the tree's first, or itself."""
        return self.first or self

    @property
    def settings(self) -> dict[str, Any]:
        """The coverage settings for reports of this session."""
        one = self.leader
        trusted = bool(one.record) or one.folder.is_ours_alone
        return coverage_settings.reporting(one.said_at_start("settings", {}), trusted)

    @property
    def not_followed(self) -> list[str]:
        """A list with a warning that names the settings that a report ignores, or [].

        They are ignored because the target's user could have written them.
        """
        one = self.leader
        left = one.said_at_start("settings", {}).keys() - self.settings.keys()
        left -= {"run:core", *coverage_settings.NOT_TAKEN}
        if not left or one.folder.owner is None:
            return []
        names = ", ".join(sorted(left))
        return [f"Not followed, as user {one.folder.owner.uid} could have changed it: {names}."]

    def said_at_start(self, name: str, default: Any) -> Any:
        """Return the fact `name` of its beginning, from our record, or else from `facts`."""
        return self.record.get(name, self.facts.get(name, default))

    @property
    def is_word_of(self) -> int | None:
        """The ID of the user who alone says that this ended session was of its process, or None.

        None if the session is live, recorded by us, or in a folder of our own.
        """
        owner = self.folder.owner
        is_known = self.record.get("pid") == self.pid
        if self.alive or is_known or self.folder.is_ours_alone or owner is None:
            return None
        return owner.uid

    @property
    def is_leased(self) -> bool:
        """Whether it ends together with the `covattach record` that has begun it."""
        return self.folder.has(session_files.LEASE)

    @property
    def has_branches(self) -> bool:
        """Whether it measures branches, by its settings at the start."""
        return bool(self.leader.said_at_start("settings", {}).get("run:branch"))

    @property
    def cwd(self) -> Path:
        """The target's working directory when the session began."""
        return Path(str(self.leader.said_at_start("cwd", "/")))

    def witness(self, said_by: Iterable[Any] = (), sender: int = 0) -> Witness:
        """Return the witness of the session's data: all users who could change it *now*.

        They are the folder's owner, the process's users, and `said_by`, senders of a reply as pairs
        of user and group.  If the process alone is the `sender`, a PID, its supplementary groups
        count too.
        """
        owners = [self.folder.owner or Owner(os.geteuid(), os.getegid())]
        owners += [Owner(uid, gid) for uid, gid in said_by]
        now = credentials.now(self.pid, self.facts.get("start_time"))
        if sender == self.pid:
            owners = [credentials.with_groups(one, now) for one in owners]
        owners += now
        return Witness(self.folder.root, str(self.cwd), credentials.least(owners))

    @property
    def origin(self) -> dict[str, Any]:
        """The facts about the data's origin that are noted in the data file."""
        names = ("command", "core", "branch", "python", "since")
        return {"pid": self.pid, **{name: self.facts.get(name) for name in names}}

    @property
    def subject(self) -> str:
        """The beginning of a sentence about the session: "Process 4711 is"."""
        return f"Process {self.pid} is"

    def members(self) -> list[Session]:
        """Return this session in a list, as Tree.members returns those of all processes."""
        return [self]

    def status(self) -> list[Session]:
        """Return the sessions that `covattach status` shows: this one, whose facts are new."""
        return [self]

    def snapshots(self, reset: bool = False, count: Count = ignore_count) -> list[Taken]:
        """Return its snapshot in a list, as a tree returns those of its processes."""
        return [self.snapshot(reset)]

    def snapshot(self, reset: bool = False) -> Taken:
        """Ask the agent for a snapshot; for a process that has ended, return the last saved one.

        With `reset`, the target's data is emptied afterwards.  Raises NoSession if nothing was
        saved, and NotNow if the agent does not answer in time.
        """
        if self.alive:
            words = waiting.DUMPED if reset else waiting.ASKED
            deadline = waiting.patience(self.pid)
            try:
                with waiting.interruptible(self.pid, words):
                    header, blob = agent_client.ask(self.folder, "dump", deadline, reset=reset)
                return Taken(self, self.told(header, blob), float(header.get("snapshot_ms", 0.0)))
            except agent_client.NobodyThere:
                self.alive = False
            except agent_client.NoAnswer:
                raise agent_errors.silent(Process(self.pid)) from None
        return Taken(self, self.saved())

    def told(self, header: dict[str, Any], blob: bytes) -> Snapshot:
        """Return the snapshot in a reply of the agent, with its witness; raises SnapshotError."""
        witness = self.witness(header["said_by"], header["sender"])
        return replace(decode(header, blob), witness=witness)

    def mark(self, name: str) -> dict[str, Any]:
        """Begin the window `name`, or continue it, and end the present one; return the reply.

        The empty name ends a window without beginning another.  Raises NoSession.
        """
        if self.alive:
            deadline = waiting.patience(self.pid)
            with (
                contextlib.suppress(agent_client.NobodyThere),
                waiting.interruptible(self.pid, waiting.MARKED),
            ):
                return agent_client.ask(self.folder, "mark", deadline, window=name)[0]
        raise agent_errors.no_session(self.pid)

    def saved(self) -> Snapshot:
        """Return the last snapshot that the target saved by itself; raises NoSession."""
        if not self.folder.has(session_files.SNAPSHOT):
            raise NoSession(
                f"Process {self.pid} has ended, and had no time to save what it had executed.",
                "Next time have it saved now and then: `covattach start --every 30s`.",
            )
        try:
            return self.last_save()
        except OSError:  # it has just been removed
            raise agent_errors.no_session(self.pid) from None

    def last_save(self) -> Snapshot:
        """Return the snapshot that the target saved last; raises OSError, SnapshotError."""
        found = self.folder.snapshot_in(session_files.SNAPSHOT)
        return replace(found, facts=said(found.facts), witness=self.witness())

    def stop(self, count: Count = ignore_count) -> list[Taken]:
        """Stop measuring, remove the folder, and return the last snapshot; raises NoSession."""
        try:
            return [self.end()]
        finally:
            self.folder.remove()
            trusted_record.remove(self.folder)

    def end(self) -> Taken:
        """Stop measuring, and return the last snapshot; the session folder may be left.

        Raises NoSession, and NotNow if the agent does not answer in time; it stops then as soon as
        it can.
        """
        if not self.alive:
            return Taken(self, self.saved())
        deadline = waiting.patience(self.pid)
        try:
            with waiting.interruptible(self.pid, waiting.STOPPING):
                header, blob = agent_client.ask(self.folder, "stop", deadline)
        except agent_client.NobodyThere:
            if self.folder.has(session_files.SNAPSHOT):
                return Taken(self, self.saved())  # the target has ended meanwhile
            raise agent_errors.no_session(self.pid) from None  # somebody else has stopped it
        except agent_client.NoAnswer:
            raise agent_errors.silent(Process(self.pid)) from None
        with contextlib.suppress(NoTarget):  # it has ended by itself
            waiting.wait_for_end(Process(self.pid), int(header.get("thread", 0)))
        return Taken(self, self.told(header, blob))

    def left(self) -> list[SessionFolder]:
        """Return those of its folders that still exist, though they were to be removed."""
        return folder_lookup.left(self.folder)
