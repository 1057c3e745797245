"""A tree: a process and all its descendants, now and in future, measured as one.

Each has a session of its own.  Those that are there are attached to, side by side; those that are
born later begin by themselves (payloads/processes/).  What belongs together shows in the
names of the folders: that of the first session, and beside it those whose names begin with it.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from covattach.errors import CovattachError, NoSession, NoTarget, NotNow
from covattach.process import procfs_errors
from covattach.process.process import Process
from covattach.session import (
    agent_client,
    ended_workers,
    folder_lookup,
    newborns,
    session,
    trusted_record,
)
from covattach.session.folder import Folder
from covattach.session.session import Session
from covattach.session.session_lookup import looked_at
from covattach.session.turns import Count, LeftOut, each, nobody
from covattach.snapshot.snapshot import Snapshot

SHARED = ("since", "branch")  # the first one's facts count for members without their own
ENDLESS = 60.0  # seconds after which stopping those who have been born meanwhile ends


@dataclass(frozen=True)
class Tree:
    """A tree that is measured: the folder of its first session, and the PID that it is known by."""

    place: Folder
    pid: int

    @property
    def facts(self) -> dict[str, Any]:
        """The facts in the first session's folder, which hold for the tree."""
        return self.place.facts

    @functools.cached_property
    def first(self) -> Session:
        """The first session: its settings and working directory count for all."""
        return Session(self.pid, self.place, self.facts, alive=True)

    @property
    def pids(self) -> list[int]:
        """The processes that have, or had, a session."""
        return [one.pid for one in self.members()]

    def members(self) -> list[Session]:
        """Return the sessions of all processes, those too that have ended with something saved."""
        first = self.first
        shared = {name: first.facts[name] for name in SHARED if name in first.facts}
        found = []
        for place in [self.place, *folder_lookup.members(self.place)]:
            facts = place.facts
            pid = facts.get("pid")
            if isinstance(pid, int):
                found.append(Session(pid, place, {**shared, **facts}, True, first))
        return found

    def wait_for_newborns(self, stopped: float | None = None) -> None:
        """Wait for children that were forked just now; not for those of a first one `stopped`."""
        newborns.wait_for_newborns(self.pid, self.listening, stopped)

    def listening(self) -> set[int]:
        """Return the processes whose agents have opened their doors."""
        return {one.pid for one in self.members() if one.folder.has("agent.sock")}

    def remove(self) -> None:
        """Remove its folder, and those of its other members, who look for it before they go on."""
        key = self.facts.get("key")
        self.place.remove()
        trusted_record.forget(self.place)
        for place in folder_lookup.members(self.place, key):
            place.remove()


def find(pid: int) -> Tree | None:
    """Return the tree whose first process is `pid`, or was, if it is measured as a tree."""
    for place in folder_lookup.folders_in(root_of(pid)):
        facts = place.facts
        if facts.get("pid") == pid and facts.get("tree") == place.inside and is_same(facts, place):
            return Tree(place, pid)
    return None


def root_of(pid: int) -> Path:
    """Return the root folder of a process, as a path for us."""
    try:
        return Process(pid).root
    except CovattachError:
        return Path("/")


def is_same(facts: dict[str, Any], place: Folder) -> bool:
    """Whether the process that a tree is known by is still that one, or has ended."""
    try:
        process = Process(facts["pid"])
    except NoTarget:
        return place.belongs_to(os.geteuid())
    return process.start_time == facts.get("start_time") and folder_lookup.is_owners(place)


def sessions(tree: Tree) -> list[Session]:
    """Return the sessions of the tree's processes, each asked how it is; raises NoSession."""
    found = each(lambda one: looked_at(one.folder), tree.members())
    known = [one for one in found if one is not None]
    if not known:
        raise agent_client.no_session(tree.pid)
    return known


def snapshots(
    tree: Tree, reset: bool = False, count: Count = nobody
) -> list[tuple[Session, Snapshot, float]]:
    """Return the snapshot of each process, also of ended ones, and the time that it took, in ms.

    `count` is told how many have been asked.  Raises NoSession if there is none.
    """
    tree.wait_for_newborns()
    members = tree.members()
    left_out = LeftOut()
    answers = each(left_out.others(lambda one: snapshot(one, reset)), members, count)
    found = [one for one in answers if one is not None]
    if not found:
        left_out.raise_first()
        raise agent_client.no_session(tree.pid)
    told = found[0][0].facts
    told["warnings"] = [*told.get("warnings", ()), *left_out.warnings]
    kept = [(tree.first, named(one), 0.0) for one in ended_workers.read(tree.first)]
    gone = [(one, taken) for one, taken, _ in found if not one.alive]
    if reset:
        ended_workers.forget(tree.place, [one for one, _ in gone])
    else:
        ended_workers.gather(tree.first, gone)
    return [*found, *kept]


def snapshot(member: Session, reset: bool) -> tuple[Session, Snapshot, float] | None:
    """Return the snapshot of one process; None if it has left none.

    Of a stopped process it is the last save: it would answer when nobody listens any more.
    """
    if session.is_stopped(member.pid):
        return of_ended(member)
    try:
        deadline = session.patience(member.pid)
        header, blob = agent_client.ask(member.folder, "dump", deadline, reset=reset, imports=False)
        member.facts = {**member.facts, **header}
        member.pid = header["sender"] or member.pid
        taken = session.told(member, header, blob)
        return member, named(taken, member.pid), float(header.get("snapshot_ms", 0.0))
    except agent_client.NobodyThere:
        member.alive = False
    except agent_client.NoAnswer:
        if not session.is_stopped(member.pid):
            raise session.silent(Process(member.pid)) from None
    return of_ended(member)


def of_ended(member: Session) -> tuple[Session, Snapshot, float] | None:
    """Return the last save of a process that has ended; None if there is none, or it is damaged.

    Nor is it believed if the process is there, and another user's.
    """
    if not folder_lookup.is_owners(member.folder):
        return None
    try:
        return member, named(session.read(member, "snapshot"), member.pid), 0.0
    except (OSError, CovattachError):
        return None


def named(taken: Snapshot, pid: int | None = None) -> Snapshot:
    """Return a snapshot named by its process: a role, and a number where several have it."""
    role = str(taken.facts.get("role") or "process")
    return replace(taken, process=f"{role} {pid or '(ended)'}")


def mark(tree: Tree, name: str) -> list[dict[str, Any]]:
    """Begin the window `name` in all processes; return the facts of each.  Raises NoSession.

    Those of the first tell of processes that are `left_out`.
    """
    tree.wait_for_newborns()

    def one(member: Session) -> dict[str, Any] | None:
        try:
            return session.mark(member, name)
        except (NoSession, agent_client.NoAnswer):  # one that is stopped begins it when it goes on
            return None

    left_out = LeftOut()
    found = [facts for facts in each(left_out.others(one), tree.members()) if facts]
    if not found:
        left_out.raise_first()
        raise agent_client.no_session(tree.pid)
    found[0]["left_out"] = left_out.warnings
    return found


def stop(tree: Tree, count: Count = nobody) -> list[tuple[Session, Snapshot]]:
    """Stop measuring all processes, and return the last snapshot of each; tell `count` of them.

    Parents come before their children: a server that renews its workers all the time would not
    come to an end the other way round.  Whoever has not been stopped yet may still fork; so this
    is repeated until nobody is left.
    """
    found = [(tree.first, named(one)) for one in ended_workers.read(tree.first)]
    try:
        tree.wait_for_newborns()
        found += filter(None, [stop_one(tree.first)])
        stopped = time.monotonic()
        met = {tree.place.path}  # a folder that cannot be removed is there for ever
        while True:
            tree.wait_for_newborns(stopped)
            members = [one for one in tree.members() if one.folder.path not in met]
            if not members:
                break
            met.update(one.folder.path for one in members)
            found += [one for one in each(stop_one, members, count) if one]
            if time.monotonic() > stopped + ENDLESS:
                break  # somebody forks faster than we stop, or makes folders
    finally:
        tree.remove()  # somebody may have been born while the last was stopped
    if not found:
        raise agent_client.no_session(tree.pid)
    return found


def stop_one(member: Session) -> tuple[Session, Snapshot] | None:
    """Stop one process; None for one that has left nothing.

    One that is stopped ends measuring when it goes on; here its last save counts.  The folder of
    the first is that of the tree, and stays until the end.
    """
    is_first = member.facts.get("tree") == member.folder.inside
    try:
        with procfs_errors.made_sense():
            return member, named(session.end(member), member.pid)
    except NotNow:
        found = of_ended(member)
        return found[:2] if found else None
    except CovattachError:  # it has gone, or says what makes no sense: the others are stopped, too
        return None
    finally:
        if not is_first:
            member.folder.remove()
