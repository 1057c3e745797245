"""Files and folders below a process's root, by steps that follow no link.

Everything here takes a descriptor of a folder and names below it.  A link that somebody has put
in the way leads nowhere: OSError, whoever asks.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator

from covattach.process import plain_files

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MOST_REMOVED, MOST_DEEP = 20_000, 16  # a session's folder has a hundred files, three deep
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def opened(folder: int, name: str) -> Iterator[int]:
    """Yield a descriptor of the folder `name`, which may be several steps below `folder`."""
    here = os.dup(folder)
    try:
        for part in filter(None, name.split("/")):
            above, here = here, os.open(part, FOLDER, dir_fd=here)
            os.close(above)  # only now: a Ctrl-C before would have it closed twice
        yield here
    finally:
        os.close(here)


def names(folder: int, most: int | None = None, start: str = "") -> list[str]:
    """Return the names in the folder, or of the first `most` found there, sorted.

    Only those that begin with `start`.
    """
    descriptor = os.open(".", LIST, dir_fd=folder)
    try:
        with os.scandir(descriptor) as entries:
            found = (entry.name for entry in itertools.islice(entries, most))
            return sorted(name for name in found if name.startswith(start))
    finally:
        os.close(descriptor)


def read(folder: int, name: str, most: int) -> bytes:
    """Return the content of a plain file in the folder, or its first `most` bytes."""
    with plain_files.opened(name, os.O_NOFOLLOW, folder) as file:
        return file.read(most)


def write(folder: int, name: str, content: bytes) -> None:
    """Write a file into the folder, whole or not at all; an older one is replaced."""
    beside = name + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=folder)
    try:
        with open(os.open(beside, NEW, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise


def exists(folder: int, name: str) -> bool:
    """Tell whether there is anything of that name in the folder."""
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def remove(folder: int, name: str) -> None:
    """Remove a folder in the folder, with all that is in it, as far as that can be done.

    Files deeper than MOST_DEEP, or beyond MOST_REMOVED, stay: the owner could put more there than
    we would ever be through with.
    """
    with contextlib.suppress(OSError):
        empty(folder, name, [MOST_REMOVED], 0)
        os.rmdir(name, dir_fd=folder)


def empty(folder: int, name: str, left: list[int], depth: int) -> None:
    """Remove the content of the folder `name`; `left` is how many more files may be removed.

    Raises OSError if the folder cannot be looked into.
    """
    with opened(folder, name) as inside:
        for one in names(inside, max(left[0], 0)):
            left[0] -= 1
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(os.lstat(one, dir_fd=inside).st_mode):
                    if depth < MOST_DEEP:
                        empty(inside, one, left, depth + 1)
                    os.rmdir(one, dir_fd=inside)
                else:
                    os.unlink(one, dir_fd=inside)
