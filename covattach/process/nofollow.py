"""Operations on files and folders below a process's root that follow no symbolic link.

Each function takes a descriptor of a folder, and names below it.  A link that somebody has put in
the way raises OSError, for root too.
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
    """Return the names in the folder that begin with `start`, sorted.

    With `most`, only that many entries are looked at.
    """
    descriptor = os.open(".", LIST, dir_fd=folder)
    try:
        with os.scandir(descriptor) as entries:
            found = (entry.name for entry in itertools.islice(entries, most))
            return sorted(name for name in found if name.startswith(start))
    finally:
        os.close(descriptor)


def read(folder: int, name: str, most: int) -> bytes:
    """Return the content of the plain file `name` in the folder, at most `most` bytes."""
    with plain_files.opened(name, os.O_NOFOLLOW, folder) as file:
        return file.read(most)


def write(folder: int, name: str, content: bytes) -> None:
    """Write the file `name` into the folder atomically; an older one is replaced."""
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
    """Whether the folder has an entry `name`, of any kind."""
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def remove(folder: int, name: str) -> None:
    """Remove the folder `name` in the folder, with its content, as far as possible; raises nothing.

    Files deeper than MOST_DEEP, or beyond MOST_REMOVED, stay: their owner could add files faster
    than we remove them.
    """
    with contextlib.suppress(OSError):
        empty(folder, name, [MOST_REMOVED], 0)
        os.rmdir(name, dir_fd=folder)


def empty(folder: int, name: str, left: list[int], depth: int) -> None:
    """Remove the content of the folder `name`, also of the folders in it.

    `left` has one item, the number of files that may still be removed.  `depth` is the number of
    folders above, in which this is called again.  Raises OSError if the folder cannot be opened.
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
