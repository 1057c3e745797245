"""The access to a target's sources while reports are made of them.

    using_files(files)     use `files` instead of our own access, in the body
    current_files()        the present access

With our own access, a path means the file that we see there.  In a container, it means another file
to the target, and root may read more than the target's user.  For these,
covattach.process.file_view.FileView is used, also for files that coverage itself opens.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from covattach.process import plain_files
from covattach.process.bounded_walk import Walk

LARGEST = 16 << 20  # bytes; nobody reads the report of a larger source, and it may be endless
ONE_AT_A_TIME = threading.RLock()  # coverage is patched for the whole process


class Files(Protocol):
    """The access to files that reports need; every method raises OSError as `os` would."""

    def of(self, name: str) -> Files:
        """Return the access for the source `name`, and for files beside it."""

    def also(self, name: str, source: str) -> None:
        """Give `name` the same access as `source`, which it comes from."""

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""

    def read(self, name: str, most: int) -> bytes:
        """Return the content of the file `name`, at most `most` bytes."""

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return two lists of names in `folder`: of the folders, and of all else, links too."""

    def is_link(self, name: str) -> bool:
        """Whether `name` is a symbolic link; False if it does not exist."""

    def readlink(self, name: str) -> str:
        """Return the target of the symbolic link `name`."""

    def realpath(self, name: str) -> str:
        """Return the absolute path of `name` without links."""


class LocalFiles:
    """The access to files with our own rights, by the paths that we see."""

    def of(self, name: str) -> Files:
        """Return the access for the source `name`: this one, as for all others."""
        return self

    def also(self, name: str, source: str) -> None:
        """Do nothing: all names have the same access."""

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""
        return os.stat(name)

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""
        return os.lstat(name)

    def read(self, name: str, most: int) -> bytes:
        """Return the content of the file `name`, at most `most` bytes."""
        return plain_files.beginning(name, most)

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return two lists of names in `folder`: of the folders, and of all else, links too."""
        with os.scandir(folder) as found:
            held = {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
        return [name for name in held if held[name]], [name for name in held if not held[name]]

    def is_link(self, name: str) -> bool:
        """Whether `name` is a symbolic link; False if it does not exist."""
        return os.path.islink(name)

    def readlink(self, name: str) -> str:
        """Return the target of the symbolic link `name`."""
        return os.readlink(name)

    def realpath(self, name: str) -> str:
        """Return the absolute path of `name` without links."""
        return os.path.realpath(name)


LOCAL = LocalFiles()
IN_USE: list[Files] = [LOCAL]


def current_files() -> Files:
    """Return the present access to files."""
    return IN_USE[-1]


@contextlib.contextmanager
def using_files(files: Files | None) -> Iterator[None]:
    """Have us and coverage access sources through `files` in the body; None changes nothing."""
    with ONE_AT_A_TIME:
        if files is None:
            yield
            return
        IN_USE.append(files)
        try:
            with patched_into_coverage(files):
                yield
        finally:
            IN_USE.pop()


@contextlib.contextmanager
def patched_into_coverage(files: Files) -> Iterator[None]:
    """Replace coverage's functions that look at sources, in the body, so that they use `files`."""
    import coverage.control
    import coverage.files
    import coverage.python

    package: Any = coverage
    lent = (
        (package.files, "abs_file", files.realpath),
        (package.control, "abs_file", files.realpath),
        (package.python, "get_python_source", source),
    )
    try:
        with patched_names(lent):
            package.files.set_relative_directory()  # forgets the names that it knows, too
            yield
    finally:
        package.files.set_relative_directory()


@contextlib.contextmanager
def walking() -> Iterator[Walk]:
    """Replace coverage's `os.walk` in the body by a Walk with the present access; yield that."""
    import coverage.files

    package: Any = coverage
    walk = Walk(current_files().entries)
    with patched_names([(package.files.os, "walk", walk)]):  # a copy of `os` that is coverage's own
        yield walk


@contextlib.contextmanager
def patched_names(lent: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Replace attributes of modules in the body.

    `lent` are triples: a module, the name of its attribute, and the value meanwhile.
    """
    before = [(module, name, getattr(module, name)) for module, name, _ in lent]
    for module, name, value in lent:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def source(name: str) -> str:
    """Return the text of a source file, as `coverage.python.get_python_source` does.

    A source inside of an archive is not found.  Raises coverage's NoSource.
    """
    from coverage.exceptions import NoSource
    from coverage.phystokens import source_encoding

    try:
        content = current_files().read(name, LARGEST)
    except (OSError, ValueError) as error:
        raise NoSource(f"No source for code: '{name}'.") from error
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\f", b" ")
    text = content.decode(source_encoding(content), "replace")
    return text if not text or text.endswith("\n") else text + "\n"
