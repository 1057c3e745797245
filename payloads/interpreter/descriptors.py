"""File descriptors of ours, which the application may close, and whose numbers it may reuse.

A daemon closes all that it has not opened itself, and the next file opened gets the lowest number
that is free.  So before each use the file of a descriptor is compared with the one that was opened
(fstat(2)).  Right after opening, it is compared with the file of that path.  Another thread might
still come in between the check and the use.  For that it has to get the GIL just there, and open so
many files that it reaches a number of ours.  Most of ours are far above.

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

STANDARD = 3  # the first number that is not of stdin, stdout or stderr
USUAL = 1024  # the usual limit of numbers; a larger table of them costs memory
APART = 64  # how many numbers below that limit are for us, and tools that do the same
PART = 1 << 16  # bytes to read at once
PARTS = 64  # parts to write at once
TRIES = 3  # to read or write a file whose descriptor the application closes meanwhile
FORMAT, PIPE, SOCKET = 0o170000, 0o010000, 0o140000  # of a file's mode (inode(7))
Identity = tuple[int, int]  # device and inode


class Lost(OSError):
    """The application has closed a descriptor of ours."""

    def __init__(self) -> None:
        super().__init__(errno.EBADF, "the application has closed a descriptor of covattach's")


def lowest_own_number() -> int:
    """Return the lowest number for descriptors of ours, above those that most applications use."""
    return max(min(os.sysconf("SC_OPEN_MAX"), USUAL) - APART, STANDARD)


def identity(file: int | str, kind: int = 0) -> Identity:
    """Return the device and inode of a file, which tell it from all others.

    `file` is the number of an open descriptor, or a path.  Raises OSError, and Lost where the file
    is not of the type `kind` (PIPE or SOCKET), if one is given.
    """
    found = os.stat(file)
    if kind and found.st_mode & FORMAT != kind:
        raise Lost
    return found.st_dev, found.st_ino


def move_above(number: int, least: int, own: Identity) -> int:
    """Return a descriptor of at least `least`, or else STANDARD, for the file of `number`.

    It is a duplicate, and `number` is closed, unless `number` is high enough.  The file, which has
    just been opened, has the identity `own`.  Raises OSError, and closes the file, where only the
    numbers of standard streams are free.
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
    """Close the descriptor `number` if its file is `own`; it may be closed already."""
    with contextlib.suppress(OSError):
        if identity(number) == own:
            os.close(number)


class Descriptor:
    """A file descriptor of ours, which has just been opened as `number`, moved to at least `least`.

    `file` is the identity that it must have, where that is known.  While a thread waits for the GIL
    after it has opened a file, another may have closed that, and opened its own.

    Raises OSError where no number is left, and Lost where it is another file's already.
    """

    number = -1

    def __init__(self, number: int, least: int = STANDARD, file: Identity | None = None) -> None:
        self.identity = identity(number)
        if file not in (None, self.identity):
            raise Lost
        self.number = move_above(number, least, self.identity)

    def is_ours(self) -> bool:
        """Tell whether the number still belongs to the file that was opened."""
        try:
            return self.number >= 0 and identity(self.number) == self.identity
        except OSError:
            return False

    def checked(self) -> Any:
        """Return the number, to be used at once; raises Lost where it is another file's."""
        if not self.is_ours():
            raise Lost
        return self.number

    def close(self) -> None:
        """Close the descriptor, if it is still ours; does nothing the second time."""
        ours, number = self.is_ours(), self.number
        self.number = -1
        if ours:
            os.close(number)

    def __del__(self, is_over: Any = sys.is_finalizing) -> None:
        if not is_over():  # `os` may be empty then
            self.close()  # before a socket object does, which would close any file with the number


class Socket(Descriptor):
    """A non-blocking socket of ours.

    `connection` is a socket of `_socket`; it is detached, do not use it afterwards.  Raises
    OSError, Lost.
    """

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
        """Close the socket if its descriptor is still ours, or else only forget the number."""
        if self.connection is not None:
            if not self.is_ours():
                self.connection.detach()
            self.number = -1
            self.connection.close()


def pipe() -> tuple[Descriptor, Descriptor]:
    """Return the read end and the write end of a new pipe, both non-blocking.  Raises OSError."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    both = identity(writing, PIPE)  # the same for both ends
    try:
        first = Descriptor(reading, lowest_own_number(), both)
    except OSError:
        close_if(writing, both)
        raise
    return first, Descriptor(writing, lowest_own_number(), both)


def opened(path: str, flags: int = os.O_RDONLY, least: int = STANDARD) -> Descriptor:
    """Return a descriptor of the file at `path`, opened with `flags`.  Raises OSError.

    A file that is created can be read and written by its user only.
    """
    number = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        file: Identity | None = identity(path)
    except OSError:  # renamed, or removed: known by its number alone
        file = None
    return Descriptor(number, least, file)


def read(path: str, most: int = 1 << 40) -> bytes:
    """Return the beginning of the file at `path`, up to `most` bytes; raises OSError."""
    for _ in range(TRIES):
        with contextlib.suppress(Lost), contextlib.closing(opened(path)) as file:
            return read_from(file, most)
    raise Lost


def read_from(file: Descriptor, most: int) -> bytes:
    """Return the next bytes of an open file, up to `most`; raises OSError."""
    parts: list[bytes] = []
    while most > 0:
        part = os.read(file.checked(), min(most, PART))
        if not part:
            break
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def text(path: str) -> str:
    """Return the text of the file at `path`, decoded from UTF-8; raises OSError."""
    return read(path).decode(errors="replace")


def write(path: str, parts: list[bytes]) -> None:
    """Write `parts`, in this order, as the new content of the file at `path`; raises OSError."""
    for _ in range(TRIES):
        new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with contextlib.suppress(Lost), contextlib.closing(opened(path, new)) as file:
            with no_signal_of_size():
                write_to(file, parts)
            return
    raise Lost


@contextlib.contextmanager
def no_signal_of_size() -> Iterator[None]:
    """Block SIGXFSZ in the `with` body: a limit of file sizes (setrlimit(2)) only raises OSError.

    The signal would end the application, or call its handler.
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
    """Write all of `parts` to an open file, one after the other; raises OSError."""
    rest: list[Any] = [part for part in parts if part]
    while rest:
        rest = unwritten(rest, os.writev(file.checked(), rest[:PARTS]))


def unwritten(parts: list[Any], done: int) -> list[Any]:
    """Return the rest of `parts`, of which the first `done` bytes have been written."""
    for at, part in enumerate(parts):
        if done < len(part):
            return [memoryview(part)[done:], *parts[at + 1 :]]
        done -= len(part)
    return []
