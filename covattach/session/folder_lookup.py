"""Session folders: making one, and finding them again by the facts in them.

They are believed only if they belong to the user of the process.
"""

from __future__ import annotations

import collections
import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from covattach.errors import CovattachError, NoTarget, NotNow, NotPossible
from covattach.payloads import session_files
from covattach.process import nofollow
from covattach.process.owner import Owner
from covattach.process.process import Process
from covattach.session import trusted_record
from covattach.session.folder import SessionFolder, opened

BASES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  a random folder of mode 0700 in it
PREFIX = "covattach-"
MOST_OF_ONE = 2000  # folders of one user: a server with so many workers is a large one


def create(process: Process, tree: str | None = None) -> SessionFolder:
    """Make a session folder for `process`, with the payloads in it; raises NotPossible.

    `tree` is the folder of the tree that the session is to belong to, as the target sees it.
    """
    bases = (tree.rpartition("/")[0],) if tree else (*BASES, *process.memory_folders)
    for base in bases:
        name = f"{tree}-{os.urandom(4).hex()}" if tree else PREFIX + os.urandom(6).hex()
        inside = f"{base}/{name.rpartition('/')[2]}"
        folder = SessionFolder(process.path_of(inside), inside, process.standing.owner)
        try:
            with opened(process.root, base, folder.owner) as above:
                os.mkdir(inside.rpartition("/")[2], 0o700, dir_fd=above)
            folder.add_tree(Path(str(files("covattach.payloads"))), session_files.PAYLOADS)
            folder.add_file(session_files.TOKEN, b"")
        except OSError:  # it is not there, cannot be written to, or is full
            folder.remove()
            continue
        return folder
    raise NotPossible(
        f"None of {', '.join(BASES)}, nor any other memory, can be written to in the view of"
        f" process {process.pid}.",
        "Give it a writable /tmp, such as a tmpfs (`docker run --tmpfs /tmp`), or make room there.",
    )


def folders_in(
    root: Path, bases: tuple[str, ...] = BASES, prefix: str = PREFIX
) -> Iterator[SessionFolder]:
    """Yield the session folders below `root`, each as its owner's, whoever that may be.

    Their names begin with `prefix`.

    At most MOST_OF_ONE of each owner: nobody's folders may hide those of others, or keep us busy
    for ever.  File systems mounted below are left out: their maker chooses who owns the files.
    """
    seen: collections.Counter[int] = collections.Counter()
    for base in bases:
        with contextlib.suppress(OSError), opened(root, base, None) as above:
            device = os.fstat(above).st_dev
            for name in nofollow.names(above, start=prefix):
                with contextlib.suppress(OSError):
                    found = os.lstat(name, dir_fd=above)
                    seen[found.st_uid] += 1
                    is_one = stat.S_ISDIR(found.st_mode) and found.st_dev == device
                    if is_one and seen[found.st_uid] <= MOST_OF_ONE:
                        inside = f"{base}/{name}"
                        owner = Owner(found.st_uid, found.st_gid)
                        yield SessionFolder(root / inside.lstrip("/"), inside, owner)


def find(process: Process) -> list[SessionFolder]:
    """Return the folders of sessions that measure `process`, or have measured it."""
    return Listing().of(process)


class Listing:
    """All session folders with their facts, each looked at once, for many processes."""

    def __init__(self) -> None:
        self.known: dict[tuple[Path, tuple[str, ...]], list[SessionFolder]] = {}
        self.users: dict[SessionFolder, int | None] = {}
        self.facts: dict[SessionFolder, dict[str, Any]] = {}

    def of(self, process: Process) -> list[SessionFolder]:
        """Return the folders of sessions that measure `process`, or have measured it."""
        place = (process.root, (*BASES, *process.memory_folders))
        if place not in self.known:
            self.known[place] = list(folders_in(*place))
        users = users_of(process)
        return [folder for folder in self.known[place] if self.is_of(folder, process, users)]

    def is_of(self, folder: SessionFolder, process: Process, users: set[int]) -> bool:
        """Whether a folder is that of a session of `process`, which could be these users."""
        if folder not in self.users:
            self.users[folder] = folder.only_user
        if not may_be_of(folder, self.users[folder], process, users):
            return False
        if folder not in self.facts:
            self.facts[folder] = folder.facts
        facts = self.facts[folder]
        # `start.py`, in the target, cannot know by which PID we know it.
        same_pid = facts.get("pid") in (process.pid, process.inner_pid)
        return bool(same_pid and facts.get("start_time") == process.start_time)


def of(pid: int) -> list[SessionFolder]:
    """Return the folders of sessions of process `pid`; none where there is no such process."""
    try:
        return find(Process(pid))
    except CovattachError:
        return []


def find_ended(pid: int) -> SessionFolder | None:
    """Return the newest folder of a session whose process `pid` has ended, or None.

    Only a folder of our own is believed.  Root believes every user's folder, and names that user;
    but folders that root knows of come first.  Raises NotNow where several users have one: whose
    process it was cannot be known any more.
    """
    found = [
        folder
        for folder in folders_in(Path("/"))
        if (os.geteuid() == 0 or folder.belongs_to(os.geteuid())) and folder.facts.get("pid") == pid
    ]
    known = [one for one in found if one.is_ours_alone or trusted_record.of(one).get("pid") == pid]
    users = {one.owner.uid for one in found if one.owner}
    if len(users) > 1 and not known:
        listed = " and ".join(map(str, sorted(users)))
        raise NotNow(
            f"Users {listed} each have a session that they say was of process {pid}, now ended.",
            "Run the same command as the user whose process it was.",
        )
    return max(known or found, key=lambda one: float(one.facts.get("created", 0)), default=None)


def new_key() -> str:
    """Return the key of a new tree."""
    return secrets.token_hex(16)


def members(first: SessionFolder, key: object = None) -> list[SessionFolder]:
    """Return the folders of the other members of a tree, if this is the folder of its first one.

    Anybody can make a folder of such a name.  A member's has the tree's key, by default the one in
    the folder, which is closed to others.  Only processes know it that have it from the first one,
    by a fork, or out of that folder.
    """
    key = key or first.facts.get("key")
    if not key:
        return []
    base, _, name = first.path_in_target.rpartition("/")
    beside = folders_in(first.root, (base,), f"{name}-")
    return [one for one in beside if one.facts.get("key") == key and one.is_closed]


def left(first: SessionFolder, key: object = None) -> list[SessionFolder]:
    """Return the folders of a session, or of a tree with that key, that are there still."""
    return [one for one in [first, *members(first, key)] if os.path.lexists(one.path)]


def is_owners(folder: SessionFolder) -> bool:
    """Whether a session's folder is closed to others, and its process, if there, its owner's.

    Or the folder is root's, whose word is good for everybody's.
    """
    if not folder.is_closed:
        return False
    facts = folder.facts
    try:
        process = Process(int(facts["pid"]))
        users = users_of(process)
    except (NoTarget, OSError):
        return True
    except (KeyError, ValueError):
        return False
    is_another = process.start_time != facts.get("start_time")
    return is_another or may_be_of(folder, folder.only_user, process, users)


def users_of(process: Process) -> set[int]:
    """Return the users that a process is, or can be again: real, effective, saved, for files."""
    return set(map(int, process.status["Uid"].split()))


def may_be_of(folder: SessionFolder, owner: int | None, process: Process, users: set[int]) -> bool:
    """Whether a session of `process`, which could be these users, may be in the `owner`'s folder.

    Root's may be everybody's: a worker that has become another user has one from before.  Who is
    that user for a while only, as a server of root's may be, has one that we have begun.
    """
    if owner == 0 or users == {owner}:
        return True
    return owner in users and trusted_record.of(folder).get("pid") == process.pid


def is_dead(folder: SessionFolder) -> bool:
    """Whether nothing can come of it any more: its process has ended and has saved nothing.

    Nor has any process of its tree, if it is the first of one.
    """
    return is_over(folder) and not folder.names("ended-") and all(map(is_over, members(folder)))


def is_over(folder: SessionFolder) -> bool:
    """Whether the process of one folder has ended, and has saved nothing."""
    try:
        process = Process(int(folder.facts["pid"]))
    except (KeyError, ValueError, NoTarget):
        return not folder.has(session_files.SNAPSHOT) and not folder.is_being_made()
    return process.start_time != folder.facts.get("start_time") and not folder.has(
        session_files.SNAPSHOT
    )


def clear(process: Process) -> None:
    """Remove the folders of sessions that are over, of the user whom `process` belongs to.

    Their processes have ended, even if another process has the same PID now.
    """
    for folder in folders_in(process.root):
        if folder.belongs_to(process.uid) and "pid" in folder.facts and is_dead(folder):
            folder.remove()
