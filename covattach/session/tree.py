"""A tree: a process and all its descendants, now and in future, measured as one.

Each process has a session of its own.  Those that run are attached to, concurrently; those that are
born later begin by themselves (payloads/processes/).  Their folders lie beside the first session's
folder, and their names begin with its name.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from covattach.errors import CovattachError, NoTarget
from covattach.payloads import session_files
from covattach.process.process import Process
from covattach.session import (
    agent_errors,
    ended_workers,
    folder_lookup,
    newborns,
    tree_member,
    trusted_record,
)
from covattach.session.folder import SessionFolder
from covattach.session.session import Count, Session, Taken, ignore_count
from covattach.session.session_lookup import looked_at
from covattach.session.turns import LeftOut, each

SHARED = ("since", "branch")  # facts of the first session, for members that lack them
ENDLESS = 60.0  # seconds after which `stop` leaves processes that are still being born
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Tree:
    """A measured tree: the folder of its first session, and the PID of its first process."""

    folder: SessionFolder
    pid: int

    @property
    def facts(self) -> dict[str, Any]:
        """The facts in the first session's folder, which hold for the whole tree."""
        return self.folder.facts

    @functools.cached_property
    def first(self) -> Session:
        """The first session: its settings and working directory count for all."""
        return Session(self.pid, self.folder, self.facts, alive=True)

    @property
    def subject(self) -> str:
        """The beginning of a sentence about the tree: "Process 4711 and its descendants are"."""
        return f"Process {self.pid} and its descendants are"

    @property
    def pids(self) -> list[int]:
        """The PIDs of the processes that have, or had, a session."""
        return [one.pid for one in self.members()]

    @functools.cached_property
    def key(self) -> Any:
        """The secret by which the tree knows the folders of its members, or None."""
        return self.facts.get("key")

    def members(self) -> list[Session]:
        """Return the sessions of all processes, also of ended ones that have saved something.

        All have `alive` set: whether they are is known only once they are asked.
        """
        first = self.first
        shared = {name: first.facts[name] for name in SHARED if name in first.facts}
        found = []
        for folder in [self.folder, *folder_lookup.members(self.folder)]:
            facts = folder.facts
            pid = facts.get("pid")
            if isinstance(pid, int):
                found.append(Session(pid, folder, {**shared, **facts}, True, first))
        return found

    def wait_for_newborns(self, stopped: float | None = None) -> None:
        """Wait for the agents of children that were forked just now to listen.

        If measuring the first process was stopped, at the time `stopped` of `time.monotonic`, its
        later children are not waited for.
        """
        newborns.wait_for_newborns(self.pid, self.listening, stopped)

    def listening(self) -> set[int]:
        """Return the PIDs of the processes whose agents listen."""
        return {one.pid for one in self.members() if one.folder.has(session_files.SOCKET)}

    def status(self) -> list[Session]:
        """Return the sessions of the processes, each asked for its status; raises NoSession."""
        found = each(lambda one: looked_at(one.folder), self.members())
        return self.some([one for one in found if one is not None])

    def snapshots(self, reset: bool = False, count: Count = ignore_count) -> list[Taken]:
        """Return the snapshot of each process, also of ended ones, and the merged ones.

        With `reset`, the data in the processes is emptied afterwards.  `count` is called with how
        many have been asked, and of how many.  A process that fails is left out, with a warning.
        If there is no snapshot at all, raises the first failure, or NoSession.
        """
        self.wait_for_newborns()
        left_out = LeftOut()
        asked = left_out.others(lambda one: tree_member.snapshot(one, reset))
        answers = each(asked, self.members(), count)
        found = self.some([one for one in answers if one is not None], left_out)
        told = found[0].session.facts
        told["warnings"] = [*told.get("warnings", ()), *left_out.warnings]
        kept = self.gathered()
        gone = [(one.session, one.snapshot) for one in found if not one.session.alive]
        if reset:
            ended_workers.discard(self.folder, [one for one, _ in gone])
        else:
            ended_workers.gather(self.first, gone)
        return [*found, *kept]

    def gathered(self) -> list[Taken]:
        """Return the merged snapshots of processes that ended long ago, see ended_workers.py."""
        return [Taken(self.first, tree_member.named(one)) for one in ended_workers.read(self.first)]

    def mark(self, name: str) -> dict[str, Any]:
        """Begin the window `name` in all processes; return the facts of the first that answered.

        The list `left_out` in them has a warning for each process that failed.  Raises NoSession.
        """
        self.wait_for_newborns()
        left_out = LeftOut()
        asked = left_out.others(lambda one: tree_member.mark(one, name))
        found = [facts for facts in each(asked, self.members()) if facts]
        return {**self.some(found, left_out)[0], "left_out": left_out.warnings}

    def stop(self, count: Count = ignore_count) -> list[Taken]:
        """Stop measuring all processes; return the last snapshot of each, and the merged ones.

        The first process is stopped before the others.  Otherwise a server that replaces its
        workers all the time would never come to an end.  Processes that are not stopped yet may
        still fork, so this is repeated until none is left.  `count` is called with how many have
        been stopped, and of how many.
        """
        found = self.gathered()
        try:
            self.wait_for_newborns()
            found += filter(None, [tree_member.stop(self.first)])
            stopped = time.monotonic()
            met = {self.folder.path}  # a folder that cannot be removed is there for ever
            while True:
                self.wait_for_newborns(stopped)
                members = [one for one in self.members() if one.folder.path not in met]
                if not members:
                    break
                met.update(one.folder.path for one in members)
                found += filter(None, each(tree_member.stop, members, count))
                if time.monotonic() > stopped + ENDLESS:
                    break  # somebody forks faster than we stop, or makes folders
        finally:
            self.remove()  # somebody may have been born while the last was stopped
        return self.some(found)

    def some(self, found: list[Answer], left_out: LeftOut | None = None) -> list[Answer]:
        """Return `found`; if that is empty, raise the first error in `left_out`, or NoSession."""
        if not found:
            if left_out is not None:
                left_out.raise_first()
            raise agent_errors.no_session(self.pid)
        return found

    def left(self) -> list[SessionFolder]:
        """Return those of its folders that still exist, though they were to be removed."""
        return folder_lookup.left(self.folder, self.key)

    def remove(self) -> None:
        """Remove the tree's folder, and then those of the other members.

        In this order, because a new process looks for the tree's folder before it begins.
        """
        key = self.key
        self.folder.remove()
        trusted_record.remove(self.folder)
        for folder in folder_lookup.members(self.folder, key):
            folder.remove()


def find_tree(pid: int) -> Tree | None:
    """Return the tree whose first process is, or was, `pid`; None if there is no such tree."""
    for folder in folder_lookup.folders_in(root_of(pid)):
        facts = folder.facts
        if (
            facts.get("pid") == pid
            and facts.get("tree") == folder.path_in_target
            and is_same(facts, folder)
        ):
            return Tree(folder, pid)
    return None


def root_of(pid: int) -> Path:
    """Return the root directory of process `pid`, as a path for us; "/" if it has ended."""
    try:
        return Process(pid).root
    except CovattachError:
        return Path("/")


def is_same(facts: dict[str, Any], folder: SessionFolder) -> bool:
    """Whether the first process of a tree is still the same one, or has ended.

    False also for a `folder` that cannot be believed, because it is not the process's user's, or
    ours.
    """
    try:
        process = Process(facts["pid"])
    except NoTarget:
        return folder.belongs_to(os.geteuid())
    return process.start_time == facts.get("start_time") and folder_lookup.is_owners(folder)
