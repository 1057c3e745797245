"""Session folders: making one, and finding those of a process by the facts in them.

A folder is believed only if it belongs to a user of the process, or to root.
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

    For a session that joins a tree, `tree` is the path of the tree's folder, as the target sees it.
    The new folder then lies beside it, and its name begins with the name of the tree's folder.
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
    """Yield the session folders of all users in the directories `bases` below `root`.

    Their names begin with `prefix`.  At most MOST_OF_ONE of each owner: no user's folders may hide
    those of others, or keep us busy for ever.  Mount points are left out: whoever mounts a file
    system chooses who owns its files.
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
    """A cache of session folders and their facts: each is read once, to look up many processes."""

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
        """Whether `folder` is that of a session of `process`.

        `users` are the user IDs that the process has, or can take on.
        """
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

    Only folders of our own count.  For root those of all users count, after the ones that root has
    a record of.  Raises NotNow where several users have one: it is unknown whose process it was.
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
    """Return a random key for a new tree: 32 hexadecimal digits, by which it knows its members."""
    return secrets.token_hex(16)


def members(first: SessionFolder, key: object = None) -> list[SessionFolder]:
    """Return the folders of the other members of a tree; `first` is its first session's folder.

    Anybody can make a folder with such a name.  So a member's folder must contain the tree's `key`,
    by default the one in `first`, which is closed to others.  Only processes know the key that have
    it from the first one, by a fork, or out of that folder.  Without a key there are none.
    """
    key = key or first.facts.get("key")
    if not key:
        return []
    base, _, name = first.path_in_target.rpartition("/")
    beside = folders_in(first.root, (base,), f"{name}-")
    return [one for one in beside if one.facts.get("key") == key and one.is_closed]


def left(first: SessionFolder, key: object = None) -> list[SessionFolder]:
    """Return those folders of a session, or of a tree with the key `key`, that still exist."""
    return [one for one in [first, *members(first, key)] if os.path.lexists(one.path)]


def is_owners(folder: SessionFolder) -> bool:
    """Whether a session folder can be believed: it is closed, and its owner is its process's user.

    Root's folders are believed for every process.  A process that has ended, or whose PID another
    one has now, is not compared.
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
    """Return the user IDs of a process: real, effective, saved, and for files."""
    return set(map(int, process.status["Uid"].split()))


def may_be_of(folder: SessionFolder, owner: int | None, process: Process, users: set[int]) -> bool:
    """Whether the user ID `owner` may have the folder of a session of `process`.

    `users` are the user IDs that the process has.  Root's folder may be any process's: a worker
    that has changed its user has one from before.  A process may have a user ID only for a while,
    as a server of root's does.  The folder of that user counts only if we have a record of having
    begun its session.
    """
    if owner == 0 or users == {owner}:
        return True
    return owner in users and trusted_record.of(folder).get("pid") == process.pid


def is_dead(folder: SessionFolder) -> bool:
    """Whether a session folder is of no use: its process has ended, and has saved no snapshot.

    For the folder of a tree, the same must be true of all its members.
    """
    return is_over(folder) and not folder.names("ended-") and all(map(is_over, members(folder)))


def is_over(folder: SessionFolder) -> bool:
    """Whether the process of one folder has ended, and has saved no snapshot."""
    try:
        process = Process(int(folder.facts["pid"]))
    except (KeyError, ValueError, NoTarget):
        return not folder.has(session_files.SNAPSHOT) and not folder.is_being_made()
    return process.start_time != folder.facts.get("start_time") and not folder.has(
        session_files.SNAPSHOT
    )


def remove_dead(process: Process) -> None:
    """Remove the dead session folders of the user whom `process` belongs to.

    A folder's process has ended also if another process has the same PID now.
    """
    for folder in folders_in(process.root):
        if folder.belongs_to(process.uid) and "pid" in folder.facts and is_dead(folder):
            folder.remove()
