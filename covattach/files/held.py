"""A file or folder held by a descriptor: its facts cannot become untrue by a rename.

    with HeldFile.open("htmlcov", folder.descriptor) as found:
        found.is_folder, found.is_ours, found.others_may_write

Other users who may change a folder can put a link, a pipe or another folder into the place of
anything in it, at any instant.  So a thing is opened first, through no link and without reading or
executing anything (O_PATH of open(2)), and looked at afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# A folder first: without O_DIRECTORY nothing is mounted where an automounter waits (open(2)).
AS_FOLDER = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DIRECTORY
AS_IT_IS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: somebody may have a lease on the file (fcntl(2), F_SETLEASE).
TO_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
ACCESS_LIST = "system.posix_acl_access"


class HeldFile:
    """A file, folder or link held by a descriptor; `facts` are its `os.fstat` when it was opened.

    `HeldFile.open` raises OSError, FileNotFoundError where there is none.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.facts = os.fstat(descriptor)

    @classmethod
    def open(cls, name: str, folder: int | None = None) -> HeldFile:
        """Return the file, folder or link `name`, held; links are not followed.

        `folder` is the descriptor of the folder it is in; None is the current directory.
        """
        try:
            return cls(os.open(name, AS_FOLDER, dir_fd=folder))
        except NotADirectoryError:
            return cls(os.open(name, AS_IT_IS, dir_fd=folder))

    def __enter__(self) -> HeldFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor; does nothing the second time."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def path(self) -> str:
        """A path (in /proc) to exactly this file, which is valid until `close`."""
        return f"/proc/self/fd/{self.descriptor}"

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.facts.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.facts.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.facts.st_mode)

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to root or to us (`trusted_users`)."""
        return self.facts.st_uid in trusted_users()

    @property
    def others_may_write(self) -> bool:
        """Whether its mode lets other users write; a user's own private group is nobody else."""
        mode = self.facts.st_mode
        by_group = mode & stat.S_IWGRP and not (
            is_private_group(self.facts.st_gid) and not self.has_access_list
        )
        return bool(mode & stat.S_IWOTH or by_group)

    @property
    def has_access_list(self) -> bool:
        """Whether it has an access control list, which may name further users (acl(5))."""
        try:
            return bool(os.getxattr(self.path, ACCESS_LIST))
        except OSError:  # there is none, or the file system knows of none
            return False

    @property
    def is_ours_alone(self) -> bool:
        """Whether nobody but root and we can have changed the file, or the folder's content."""
        return self.is_ours and not self.others_may_write

    @property
    def is_believed(self) -> bool:
        """Whether we trust its content: it is ours, and if we are root, others may not write it.

        Users other than root have chosen themselves who may write their files.
        """
        return self.is_ours and (not self.others_may_write or os.geteuid() != 0)

    @property
    def others_may_exchange(self) -> bool:
        """Whether others may rename our files in this folder, or put theirs in their place."""
        is_sticky = self.facts.st_mode & stat.S_ISVTX
        return not self.is_ours or (self.others_may_write and not is_sticky)

    @contextlib.contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open a plain file for reading; raises OSError."""
        if not self.is_file:
            raise OSError("it is not a plain file")
        with open(os.open(self.path, TO_READ), "rb") as file:
            yield file

    def names(self) -> Iterator[str]:
        """Yield the names in a folder; raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    yield entry.name
        finally:
            os.close(descriptor)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in a folder; raises OSError."""
        return next(self.names(), None) is None

    def look(self, name: str) -> HeldFile | None:
        """Return the entry `name` of this folder, held; None if there is none.  Raises OSError."""
        try:
            return HeldFile.open(name, self.descriptor)
        except FileNotFoundError:
            return None


def trusted_users() -> set[int]:
    """Return the ids of the users whose files we trust: root, ourselves, and `nameless`."""
    return {0, os.geteuid(), *nameless()}


@functools.cache
def nameless() -> tuple[int, ...]:
    """Return the id that stands for all users without one here, perhaps root; () if there is none.

    There is one in a user namespace only, and if no user has that number (user_namespaces(7)).
    """
    try:
        lines = (
            Path("/proc/self/uid_map").read_text(encoding="utf-8", errors="replace").splitlines()
        )
        user = int(
            Path("/proc/sys/kernel/overflowuid").read_text(encoding="utf-8", errors="replace")
        )
        mapped = [
            range(int(first), int(first) + int(count)) for first, _, count in map(str.split, lines)
        ]
    except (OSError, ValueError):
        return ()
    return () if any(user in users for users in mapped) else (user,)


def is_private_group(group: int) -> bool:
    """Whether group id `group` is the private group of root or us: it has no other members."""
    try:
        found = grp.getgrgid(group)
        names = {pwd.getpwuid(user).pw_name for user in (0, os.geteuid())}
    except KeyError:
        return False
    return found.gr_name in names and set(found.gr_mem) <= {found.gr_name}
