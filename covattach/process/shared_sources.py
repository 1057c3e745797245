"""Sources that several users have named, in one report: each is looked at with the rights of those.

    SharedSources(first, said)     `said` are pairs: an access to files, and the names given with it

A source that nobody has named is not read, whoever may.  Several may have named one: it is shown on
the word of any of them that may read it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from covattach.process.source_access import Files


class SharedSources:
    """Looks at each source as who has named it may; at folders of sources as `first` may.

    `first` are those of whom the settings come from.
    """

    def __init__(self, first: Files, said: Iterable[tuple[Files, Iterable[str]]]) -> None:
        self.first = first
        self.named: dict[str, list[Files]] = {}
        self.chosen: dict[str, Files] = {}
        for files, names in said:
            for name in names:
                self.add(name, [files])

    def add(self, name: str, several: list[Files]) -> None:
        """Note who has named a source."""
        known = self.named.setdefault(name, [])
        known += [files for files in several if files not in known]
        self.chosen.pop(name, None)

    def also(self, name: str, source: str) -> None:
        """Be told that `name` comes from `source`: whoever has named that has named it."""
        if name != source:
            self.add(name, self.named.get(source, []))

    def of(self, name: str) -> Files:
        """Return the first that has named it and may read it; else one that sees nothing."""
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
        """Return the folders and files in a folder; these have been named by who looks."""
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
        """Tell whether it is a link; False if it does not exist."""
        return (self.of(name) if name in self.named else self.first).is_link(name)

    def readlink(self, name: str) -> str:
        """Return where a link leads."""
        return (self.of(name) if name in self.named else self.first).readlink(name)

    def realpath(self, name: str) -> str:
        """Return the path without links, which is then named by who has named this."""
        if name not in self.named:
            return self.first.realpath(name)
        seen = self.of(name)
        found = (seen if seen is not NO_FILES else self.named[name][0]).realpath(name)
        self.also(found, name)
        return found


class NoFiles:
    """An access that finds no files, for sources that nobody may look at."""

    def of(self, name: str) -> Files:
        """Return the access to a source of that name: the same as to all others."""
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
        """Return the path as it is."""
        return os.path.normpath(name)


NO_FILES = NoFiles()


def can_read(files: Files, name: str) -> bool:
    """Whether this may read it: to see that it is there is not enough."""
    try:
        files.read(name, 0)
    except (OSError, ValueError):
        return False
    return True
