"""Access to the sources of a report on processes of several users, with the rights of each.

    SharedSources(first, said)     `said` are pairs: an access to files, and the names given with it

A source may be read with the rights of the processes that have named it, and with no others.  So a
source that none has named is not read.  If several have named it, one that may read it is enough.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from covattach.process.source_access import Files


class SharedSources:
    """An access to files that reads each source with the rights of a process that has named it.

    `first` is the access for all other names, and for folders: that of the process whose settings
    are used.  `said` are pairs: an access to files, and the names of sources given with it.
    """

    def __init__(self, first: Files, said: Iterable[tuple[Files, Iterable[str]]]) -> None:
        self.first = first
        self.named: dict[str, list[Files]] = {}
        self.chosen: dict[str, Files] = {}
        for files, names in said:
            for name in names:
                self.add(name, [files])

    def add(self, name: str, several: list[Files]) -> None:
        """Note that the processes with the accesses `several` have named a source."""
        known = self.named.setdefault(name, [])
        known += [files for files in several if files not in known]
        self.chosen.pop(name, None)

    def also(self, name: str, source: str) -> None:
        """Give `name` also the accesses of `source`, which it comes from."""
        if name != source:
            self.add(name, self.named.get(source, []))

    def of(self, name: str) -> Files:
        """Return the first access that has named `name` and may read it, or else NO_FILES."""
        if name not in self.chosen:
            able = (files for files in self.named.get(name, ()) if can_read(files, name))
            self.chosen[name] = next(able, NO_FILES)
        return self.chosen[name]

    def stat(self, name: str) -> os.stat_result:
        """Return the result of `os.stat`."""
        return (self.of(name) if name in self.named else self.first).stat(name)

    def read(self, name: str, most: int) -> bytes:
        """Return the first `most` bytes."""
        return self.of(name).read(name, most)

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the names of the folders and of the files in a folder.

        These names are noted as named by the accesses that list them.  Raises OSError if none may.
        """
        folders: dict[str, None] = {}
        files: dict[str, None] = {}
        faults: list[OSError] = []
        several = self.named.get(folder) or [self.first]
        for access in several:
            try:
                found = access.entries(folder)
            except OSError as error:
                faults.append(error)
                continue
            for held, names in zip((folders, files), found, strict=True):
                held.update(dict.fromkeys(names))
                for name in names:
                    self.add(os.path.join(folder, name), [access])
        if len(faults) == len(several):
            raise faults[0]
        return list(folders), list(files)

    def lstat(self, name: str) -> os.stat_result:
        """Return the result of `os.lstat`, which is of a link itself."""
        return (self.of(name) if name in self.named else self.first).lstat(name)

    def is_link(self, name: str) -> bool:
        """Whether `name` is a symbolic link; False if it does not exist."""
        return (self.of(name) if name in self.named else self.first).is_link(name)

    def readlink(self, name: str) -> str:
        """Return the target of the symbolic link `name`."""
        return (self.of(name) if name in self.named else self.first).readlink(name)

    def realpath(self, name: str) -> str:
        """Return the absolute path of `name` without links; it gets the accesses of `name` too."""
        if name not in self.named:
            return self.first.realpath(name)
        seen = self.of(name)
        found = (seen if seen is not NO_FILES else self.named[name][0]).realpath(name)
        self.also(found, name)
        return found


class NoFiles:
    """An access that finds no files, for sources that nobody may look at."""

    def of(self, name: str) -> Files:
        """Return the access for the source `name`: this one, as for all others."""
        return self

    def also(self, name: str, source: str) -> None:
        """Do nothing: all names have the same access."""

    def stat(self, name: str) -> os.stat_result:
        """Raise OSError."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    def lstat(self, name: str) -> os.stat_result:
        """Raise OSError."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    def read(self, name: str, most: int) -> bytes:
        """Raise OSError."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Raise OSError."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)

    def is_link(self, name: str) -> bool:
        """Return False."""
        return False

    def readlink(self, name: str) -> str:
        """Raise OSError."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    def realpath(self, name: str) -> str:
        """Return the normalised path; no link is resolved."""
        return os.path.normpath(name)


NO_FILES = NoFiles()


def can_read(files: Files, name: str) -> bool:
    """Whether `files` may read the file `name`, not only see that it exists."""
    try:
        files.read(name, 0)
    except (OSError, ValueError):
        return False
    return True
