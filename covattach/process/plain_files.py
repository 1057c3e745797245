"""Plain files that somebody else may have put there: read without waiting, up to a number of bytes.

Opening a pipe or a device in the place of a file could block, or do something.  Opening a plain
file blocks for 45 s if its owner has a lease on it.  Owners may have one on any file of theirs,
those of their processes in /proc too (fcntl(2), F_SETLEASE).
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

# Without O_NONBLOCK, opening a pipe waits for a writer (fifo(7)), and opening a file for leases.
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LONGEST_TEXT = 1 << 20  # bytes: 65,536 groups, the kernel's limit, are 720 KB of a status


def opened(path: Path | str, flags: int = 0, folder: int | None = None) -> BinaryIO:
    """Open a plain file for reading; raises OSError, also if it is no plain file.

    `flags` are further ones of open(2); `folder` is a descriptor that a relative path starts from.
    """
    descriptor = os.open(path, READING | flags, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", os.fspath(path))
    return cast(BinaryIO, open(descriptor, "rb"))


def beginning(path: Path | str, most: int) -> bytes:
    """Return the first `most` bytes of a plain file; raises OSError."""
    with opened(path) as file:
        return file.read(most)


def text(path: Path | str, most: int = LONGEST_TEXT) -> str:
    """Return the first `most` bytes of a plain file, as text; raises OSError."""
    return beginning(path, most).decode(errors="replace")


def whole(path: Path | str, most: int) -> bytes:
    """Return the content of a plain file; raises OSError where it has more than `most` bytes."""
    content = beginning(path, most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"more than {most} bytes", os.fspath(path))
    return content
