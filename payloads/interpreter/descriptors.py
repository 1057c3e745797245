"""Descriptors of ours, in a process that may close them and have others by the same numbers.

A daemon closes all that it has not opened itself, and the next file opened gets the lowest number
that is free.  So before each use a descriptor is compared with the file that was opened (fstat(2)),
and once it is opened, with the file of that name.
Another thread might still come in between the look and the use.  For that it has to get the GIL
just there, and open so many files that it reaches a number of ours.  Most of ours are far above.

None of ours is ever 0, 1 or 2, even where these are free.
"""

from __future__ import annotations

import _signal
import _socket
import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from typing import Any

STANDARD = 3  # how many numbers are for what a program reads, writes and complains to
USUAL = 1024  # how many numbers there are mostly; a larger table of them costs memory
APART = 64  # how many of these are left to us and to whoever does the same
PART = 1 << 16  # bytes to read at once
PARTS = 64  # to write at once
TRIES = 3  # to read or write a file whose descriptor the application closes meanwhile
FORMAT, PIPE, SOCKET = 0o170000, 0o010000, 0o140000  # of a file's mode (inode(7))
Identity = tuple[int, int]


class Lost(OSError):
    """The application has closed a descriptor of ours."""

    def __init__(self) -> None:
        super().__init__(errno.EBADF, "the application has closed a descriptor of covattach's")


def far() -> int:
    """Return a number above all that an application opens, as long as it has not very many."""
    return max(min(os.sysconf("SC_OPEN_MAX"), USUAL) - APART, STANDARD)


def identity(file: int | str, kind: int = 0) -> Identity:
    """Return the device and inode of an open file, or of a path: they tell it from all others.

    Raises OSError, and Lost where it is not of that `kind`, if one is given.
    """
    found = os.stat(file)
    if kind and found.st_mode & FORMAT != kind:
        raise Lost
    return found.st_dev, found.st_ino


def moved(number: int, least: int, own: Identity) -> int:
    """Return a number of at least `least`, if there is one, for a file that has just been opened.

    Raises OSError, and closes the file, where only the numbers of standard streams are free.
    """
    fault: OSError | None = None
    for floor in (least, STANDARD):
        if number >= floor:
            return number
        try:
            other: int = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, floor)
        except OSError as error:
            fault = error
        else:
            close_if(number, own)
            return other
    close_if(number, own)
    raise fault or Lost()


def close_if(number: int, own: Identity) -> None:
    """Close a descriptor if that is its file; it may be closed already."""
    with contextlib.suppress(OSError):
        if identity(number) == own:
            os.close(number)


class Descriptor:
    """One that has just been opened, and is to have a number of at least `least`.

    `file` is what it must be, where that is known: while a thread waits for the GIL after it has
    opened a file, another may have closed that, and opened its own.

    Raises OSError where none is left, and Lost where it is another file's already.
    """

    number = -1

    def __init__(self, number: int, least: int = STANDARD, file: Identity | None = None) -> None:
        self.identity = identity(number)
        if file not in (None, self.identity):
            raise Lost
        self.number = moved(number, least, self.identity)

    def is_ours(self) -> bool:
        """Tell whether the number still belongs to the file that was opened."""
        try:
            return self.number >= 0 and identity(self.number) == self.identity
        except OSError:
            return False

    def checked(self) -> Any:
        """Return the number, to be used at once; raises Lost."""
        if not self.is_ours():
            raise Lost
        return self.number

    def close(self) -> None:
        """Close it, if it is ours; does nothing the second time."""
        ours, number = self.is_ours(), self.number
        self.number = -1
        if ours:
            os.close(number)

    def __del__(self, is_over: Any = sys.is_finalizing) -> None:
        if not is_over():  # `os` may be empty then
            self.close()  # in time for a socket: its object would close whatever has the number


class Socket(Descriptor):
    """A socket that waits for nobody; `connection` is one of `_socket`'s, and used up."""

    connection: Any = None

    def __init__(self, connection: Any, least: int = STANDARD) -> None:
        number = connection.detach()
        super().__init__(number, least, identity(number, SOCKET))
        self.connection = _socket.socket(fileno=self.number)
        self.connection.setblocking(False)

    def checked(self) -> Any:
        """Return the socket, to be used at once; raises Lost."""
        super().checked()
        return self.connection

    def close(self) -> None:
        """Close it, if it is ours, or else forget its number."""
        if self.connection is not None:
            if not self.is_ours():
                self.connection.detach()
            self.number = -1
            self.connection.close()


def pipe() -> tuple[Descriptor, Descriptor]:
    """Return the end to read from and the end to write to; neither waits.  Raises OSError."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    both = identity(writing, PIPE)  # one file has both ends
    try:
        first = Descriptor(reading, far(), both)
    except OSError:
        close_if(writing, both)
        raise
    return first, Descriptor(writing, far(), both)


def opened(path: str, flags: int = os.O_RDONLY, least: int = STANDARD) -> Descriptor:
    """Open a file; a new one is only its user's.  Raises OSError."""
    number = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        file: Identity | None = identity(path)
    except OSError:  # renamed, or removed: by the number alone
        file = None
    return Descriptor(number, least, file)


def read(path: str, most: int = 1 << 40) -> bytes:
    """Return the beginning of a file, up to `most` bytes; raises OSError."""
    for _ in range(TRIES):
        with contextlib.suppress(Lost), contextlib.closing(opened(path)) as file:
            return read_from(file, most)
    raise Lost


def read_from(file: Descriptor, most: int) -> bytes:
    """Return the next bytes of an open file, `most` at the most; raises OSError."""
    parts: list[bytes] = []
    while most > 0:
        part = os.read(file.checked(), min(most, PART))
        if not part:
            break
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def text(path: str) -> str:
    """Return the text of a file; raises OSError."""
    return read(path).decode(errors="replace")


def write(path: str, parts: list[bytes]) -> None:
    """Write a file of these parts anew; raises OSError."""
    for _ in range(TRIES):
        new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with contextlib.suppress(Lost), contextlib.closing(opened(path, new)) as file:
            with no_signal_of_size():
                write_to(file, parts)
            return
    raise Lost


@contextlib.contextmanager
def no_signal_of_size() -> Iterator[None]:
    """Have a limit of files' sizes (setrlimit(2)) tell by an error alone.

    SIGXFSZ, which comes with it, would end the application, or call its handler.
    """
    own = {_signal.SIGXFSZ}
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, own)
    try:
        yield
    finally:
        if _signal.SIGXFSZ not in before:
            _signal.sigtimedwait(own, 0)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, own)


def write_to(file: Descriptor, parts: list[bytes]) -> None:
    """Write all of the parts."""
    rest: list[Any] = [part for part in parts if part]
    while rest:
        rest = behind(rest, os.writev(file.checked(), rest[:PARTS]))


def behind(parts: list[Any], done: int) -> list[Any]:
    """Return the rest of the parts, of which so many bytes are done."""
    for at, part in enumerate(parts):
        if done < len(part):
            return [memoryview(part)[done:], *parts[at + 1 :]]
        done -= len(part)
    return []
