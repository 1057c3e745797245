"""Where an output goes: a name in a folder that is held, so that no path is followed twice.

    with Destination.at(path, make=True) as place, place.replaced() as made:
        made.write_text(…)              in a folder of our own; at the end it is at `place`

Others may be able to change the folder at any instant.  So a file for it is made where they cannot,
and is copied into a new file, which gets its name when it is whole.  An older file of that name
is replaced, not written to: a link, or another name of some file, leads nowhere.
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

PREFIX = ".covattach-"  # not the data file's name: `coverage combine` would take it in
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Destination:
    """A place for an output: `name` in the folder that `way` has led to.

    `remedy` is for a place that cannot be written to.
    """

    def __init__(self, path: Path, way: SafePath, name: str, remedy: str) -> None:
        self.path = path
        self.way = way
        self.name = name
        self.remedy = remedy

    @classmethod
    def at(cls, path: Path, remedy: str, make: bool = False) -> Destination:
        """Hold the folder that `path` is in; with `make`, make missing folders.

        Raises ReportFailed where it cannot be reached, and BadUsage where others could lead us
        astray.
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
        """The folder."""
        return self.way.here

    def look(self) -> HeldFile | None:
        """Return the file or folder at this place, or None; raises OSError."""
        return None if self.way.missing else self.folder.look(self.name)

    @contextlib.contextmanager
    def replaced(self) -> Iterator[Path]:
        """Yield a path in a folder of our own to write to; at the end, it replaces the file here.

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
    """Copy a file of ours into a folder, whole or not at all, and through no link.

    A plain file of ours that is replaced keeps its mode; a new one has that of the user's umask.
    Where others may have put it there, it only keeps what it does not allow.
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
    """Return the mode that a file is to keep: not one that somebody else has chosen."""
    found = folder.look(name)
    if found is None:
        return None
    with found:
        usable = found.is_file and found.is_ours
        return stat.S_IMODE(found.facts.st_mode) & 0o777 if usable else None


def remove(folder: HeldFile, name: str) -> None:
    """Remove a file from a folder, if it is there; raises OSError for a folder."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.descriptor)
