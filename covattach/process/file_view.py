"""The files of a process, as its user sees them; a report may show these, and no others.

A path in a container leads elsewhere when we follow it: a link to `/etc/passwd` would lead to ours.
And root may read more than the target's user, who chooses the files that a report shows.  So paths
are resolved component by component below the process's root, with its user's rights.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from covattach.process import plain_files
from covattach.process.owner import Owner, as_owner

MOST_LINKS = 40  # as in Linux (path_resolution(7))
LONGEST = 4096  # bytes of a path with its end: PATH_MAX
STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
Seen = TypeVar("Seen")


class FileView:
    """Access to files by the paths that a process uses; methods raise OSError as `os` would.

    `root` is our path to the root of the process, `cwd` its working directory as it sees it.  A
    file can be accessed only if all `owners` may access it.
    """

    def __init__(self, root: Path, cwd: str, *owners: Owner) -> None:
        """Open `root`: the descriptor stays valid when the process has ended."""
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.cwd = cwd
        self.owners = owners

    def __enter__(self) -> FileView:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)

    def of(self, name: str) -> FileView:
        """Return the access for the source `name`: this one, as for all others."""
        return self

    def also(self, name: str, source: str) -> None:
        """Do nothing: all names have the same access."""

    @contextlib.contextmanager
    def located(self, name: str, owner: Owner) -> Iterator[tuple[int, str]]:
        """Yield an O_PATH descriptor of the file `name`, and its path without links, as `owner`."""
        way = PathInRoot(self.root)
        try:
            with as_owner(owner):
                way.go(os.path.join(self.cwd, name))
                yield way.folders[-1], way.path
        finally:
            way.close()

    def agreed(self, name: str, look: Callable[[int], Seen]) -> Seen:
        """Call `look` with a descriptor of the file `name`, as each owner; return the last result.

        Raises OSError if an owner may not access the file, or has another file by that name.
        """
        seen: list[Seen] = []
        files = set()
        for owner in self.owners:
            with self.located(name, owner) as (found, _):
                facts = os.fstat(found)
                files.add((facts.st_dev, facts.st_ino))
                seen.append(look(found))
        if len(files) != 1:
            raise PermissionError(errno.EACCES, "not the same for all", name)
        return seen[-1]

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""
        return self.agreed(name, os.fstat)

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a plain file, at most `most` bytes; b"" if its size is 0.

        Files of /proc have no size: their content would be about us.
        """

        def content(found: int) -> bytes:
            facts = os.fstat(found)
            if not stat.S_ISREG(facts.st_mode):
                raise OSError(errno.EINVAL, "not a plain file", name)
            with plain_files.opened(f"/proc/self/fd/{found}") as file:
                return file.read(min(facts.st_size, most))

        return self.agreed(name, content)

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return two lists of names in a folder: of the folders, and of all else.

        Links to folders are in the second, unlike those of `os.walk`.
        """

        def listed(found: int) -> list[os.DirEntry[str]]:
            descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                held = list(os.scandir(descriptor))
                folders.extend(e.name for e in held if e.is_dir(follow_symlinks=False))
            finally:
                os.close(descriptor)
            return held

        folders: list[str] = []
        held = self.agreed(folder, listed)
        folders = list(dict.fromkeys(folders))
        inside = set(folders)
        return folders, [entry.name for entry in held if entry.name not in inside]

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""
        folder, _, base = name.rpartition("/")
        return self.agreed(folder or "/", lambda found: os.lstat(base, dir_fd=found))

    def is_link(self, name: str) -> bool:
        """Whether `name` is a symbolic link; False if it does not exist."""
        try:
            return stat.S_ISLNK(self.lstat(name).st_mode)
        except OSError:
            return False

    def readlink(self, name: str) -> str:
        """Return the target of the symbolic link `name`."""
        folder, _, base = name.rpartition("/")
        return self.agreed(folder or "/", lambda found: os.readlink(base, dir_fd=found))

    def realpath(self, name: str) -> str:
        """Return the absolute path of `name` without links.

        Components from the first on that does not exist stay as they are.  If the path is not the
        same for all owners, no link is resolved.
        """
        found = {self.resolved(name, owner) for owner in self.owners}
        return found.pop() if len(found) == 1 else os.path.normpath(os.path.join(self.cwd, name))

    def resolved(self, name: str, owner: Owner) -> str:
        """Return the absolute path of `name`, without links as far as `owner` may follow them."""
        way = PathInRoot(self.root)
        try:
            with as_owner(owner):
                way.go(os.path.join(self.cwd, name))
        except OSError:
            return os.path.normpath("/".join([way.path.rstrip("/"), *reversed(way.ahead)]))
        finally:
            way.close()
        return way.path


def check(name: str) -> None:
    """Raise OSError, as the kernel does, for a name that is too long, or that no file can have."""
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), name) from None
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    if len(encoded) >= LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name[:LONGEST])


class PathInRoot:
    """The way from a root to a file: the folders that have been opened, and the names ahead.

    `folders` are descriptors, the root's first; `names` are those of the others.  `ahead` are the
    components of the path still to go, the next one last.
    """

    def __init__(self, root: int) -> None:
        self.folders = [os.dup(root)]
        self.names: list[str] = []
        self.ahead: list[str] = []

    @property
    def path(self) -> str:
        """The path from the root to the folder or file reached, beginning with "/"."""
        return "/" + "/".join(self.names)

    def go(self, name: str) -> None:
        """Go to the file at the path `name`, within the root; raises OSError if there is none."""
        check(name)
        self.ahead = name.split("/")[::-1]
        links = 0
        while self.ahead:
            part = self.ahead[-1]
            if part == "..":
                self.back(1)
            elif part not in ("", "."):
                link = self.step(part)
                links += link is not None
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
                if link is not None:
                    self.back(len(self.names) if link.startswith("/") else 0)
                    self.ahead.pop()
                    self.ahead += link.split("/")[::-1]
                    continue
            self.ahead.pop()

    def step(self, part: str) -> str | None:
        """Open the component `part` and go into it, and return None.

        If it is a symbolic link, stay, and return its target.  Raises OSError.
        """
        found = os.open(part, STEP, dir_fd=self.folders[-1])
        if stat.S_ISLNK(os.fstat(found).st_mode):
            try:
                return os.readlink("", dir_fd=found)
            finally:
                os.close(found)
        self.folders.append(found)
        self.names.append(part)
        return None

    def back(self, steps: int) -> None:
        """Go back by that many `steps` towards the root, but not above it."""
        for _ in range(min(steps, len(self.names))):
            os.close(self.folders.pop())
            self.names.pop()

    def close(self) -> None:
        """Close the descriptors of the folders."""
        while self.folders:
            os.close(self.folders.pop())
