"""Atomic writes of output files, in a folder that is held by its descriptor (openat(2)).

    with Destination.at(path, remedy, make=True) as place, place.replaced() as made:
        made.write_text(…)              in a private folder; at the end it is copied to `path`

Others may be able to change the folder at any instant.  So a file is first made in a folder where
they cannot.  From there it is copied into a new file in the output's folder, which is renamed once
it is complete.  An older file of that name is replaced, not written to: a symbolic or hard link
there leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import ReportFailed
from covattach.files.held import HeldFile
from covattach.files.private_folder import private_folder
from covattach.files.safe_path import SafePath, current

PREFIX = ".covattach-"  # of temporary files: `coverage combine` would read one named .coverage…
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Destination:
    """An output file or folder: the entry `name` of the folder that `way` has led to, and holds.

    `path` is its absolute path.  `remedy` is for the error if it cannot be written.
    """

    def __init__(self, path: Path, way: SafePath, name: str, remedy: str) -> None:
        self.path = path
        self.way = way
        self.name = name
        self.remedy = remedy

    @classmethod
    def at(cls, path: Path, remedy: str, make: bool = False) -> Destination:
        """Return the destination `path`, with its folder held; `make` makes missing folders.

        Raises ReportFailed if the folder cannot be reached, and BadUsage if other users could
        redirect the path.
        """
        path = Path(os.path.abspath(path))
        # The current directory itself is held, not looked for by its name.
        folder, name = (path, ".") if str(path) == current() else (path.parent, path.name or ".")
        with failing(path, remedy):
            return cls(path, SafePath.to(folder, make), name, remedy)

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *_: object) -> None:
        self.way.close()

    @property
    def folder(self) -> HeldFile:
        """The folder that the output is in, held."""
        return self.way.here

    def look(self) -> HeldFile | None:
        """Return the file or folder that is at this place now, held, or None; raises OSError."""
        return None if self.way.missing else self.folder.look(self.name)

    @contextlib.contextmanager
    def replaced(self) -> Iterator[Path]:
        """Yield a path in a private folder to write to; at the end, that file replaces this one.

        Nothing is left behind by a failure or by Ctrl-C.  Raises ReportFailed for any OSError.
        """
        with private_folder(PREFIX, self.path.parent) as private, failing(self.path, self.remedy):
            yield private / "new"
            put(private / "new", self.folder, self.name)


@contextlib.contextmanager
def failing(path: Path, remedy: str) -> Iterator[None]:
    """Turn an OSError into ReportFailed, which says that `path` cannot be written, and why."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportFailed(f"{path} cannot be written ({reason}).", remedy) from error


def put(made: Path, folder: HeldFile, name: str) -> None:
    """Copy the file `made` to `name` in `folder`, whole or not at all, without following links.

    A replaced plain file that is root's or ours keeps its mode; a new one has 0666, less the umask.
    In a folder where others may rename files, the umask also applies to the mode that is kept.
    Raises OSError.
    """
    mode = mode_of(folder, name)
    beside = PREFIX + os.urandom(6).hex()
    descriptor = os.open(beside, NEW, 0o666 if mode is None else mode, dir_fd=folder.descriptor)
    try:
        with open(descriptor, "wb") as file, open(made, "rb") as source:
            if mode is not None and not folder.others_may_exchange:
                os.fchmod(descriptor, mode)
            shutil.copyfileobj(source, file)
        at = {"src_dir_fd": folder.descriptor, "dst_dir_fd": folder.descriptor}
        os.rename(beside, name, **at)
    except BaseException:
        remove(folder, beside)
        raise


def mode_of(folder: HeldFile, name: str) -> int | None:
    """Return the permission bits that the file `name` is to keep; None if there is none to keep.

    Only a plain file that is root's or ours counts: nobody else is to choose the mode.
    """
    found = folder.look(name)
    if found is None:
        return None
    with found:
        usable = found.is_file and found.is_ours
        return stat.S_IMODE(found.facts.st_mode) & 0o777 if usable else None


def remove(folder: HeldFile, name: str) -> None:
    """Remove the file `name` from a folder, if it is there; raises OSError for a folder."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.descriptor)
