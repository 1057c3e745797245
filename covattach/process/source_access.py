"""The access to a target's sources while reports are made of them.

    using_files(files)     use `files` instead of our own access, for a while
    current_files()        the present access

With our own access, names mean what they mean to us.  For a target in a container, or of another
user, they mean something else, and root could see too much.  Then
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
ONE_AT_A_TIME = threading.RLock()  # coverage's access to files is the whole process's


class Files(Protocol):
    """The access to files that reports need; every method raises OSError as `os` would."""

    def of(self, name: str) -> Files:
        """Return the access to a source of that name, and to files beside it."""

    def also(self, name: str, source: str) -> None:
        """Give `name` the same access as `source`, which it comes from."""

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""

    def read(self, name: str, most: int) -> bytes:
        """Return the first `most` bytes."""

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in a folder; links are files."""

    def is_link(self, name: str) -> bool:
        """Tell whether it is a link; False if it does not exist."""

    def readlink(self, name: str) -> str:
        """Return where a link leads."""

    def realpath(self, name: str) -> str:
        """Return the path without links."""


class LocalFiles:
    """The access that we have ourselves."""

    def of(self, name: str) -> Files:
        """Return the access to a source of that name: the same as to all others."""
        return self

    def also(self, name: str, source: str) -> None:
        """Do nothing: all names are looked at with the same."""

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""
        return os.stat(name)

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""
        return os.lstat(name)

    def read(self, name: str, most: int) -> bytes:
        """Return the first `most` bytes."""
        return plain_files.beginning(name, most)

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in a folder; links are files."""
        with os.scandir(folder) as found:
            held = {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
        return [name for name in held if held[name]], [name for name in held if not held[name]]

    def is_link(self, name: str) -> bool:
        """Tell whether it is a link; False if it does not exist."""
        return os.path.islink(name)

    def readlink(self, name: str) -> str:
        """Return where a link leads."""
        return os.readlink(name)

    def realpath(self, name: str) -> str:
        """Return the path without links."""
        return os.path.realpath(name)


LOCAL = LocalFiles()
IN_USE: list[Files] = [LOCAL]


def current_files() -> Files:
    """Return the present access to files."""
    return IN_USE[-1]


@contextlib.contextmanager
def using_files(files: Files | None) -> Iterator[None]:
    """Look through `files`, and have coverage do so; None: with our own access, as usual."""
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
    """Have coverage's functions that look at sources look through `files`."""
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
    """Have coverage walk through folders as we look at them; yield the walk."""
    import coverage.files

    package: Any = coverage
    walk = Walk(current_files().entries)
    with patched_names([(package.files.os, "walk", walk)]):  # a copy of `os` that is coverage's own
        yield walk


@contextlib.contextmanager
def patched_names(lent: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Have other values for names of modules, for a while."""
    before = [(module, name, getattr(module, name)) for module, name, _ in lent]
    for module, name, value in lent:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def source(name: str) -> str:
    """Return the text of a source, as `coverage.python.get_python_source` does.

    What lies inside of an archive is not found.  Raises coverage's NoSource.
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
