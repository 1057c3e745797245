"""Safe resolution of a path, step by step, so that no other user decides where it leads.

    SafePath.to("/srv/app/htmlcov")      the folder, and whether others could make it another
    is_settled(folder)                   whether nobody else could

A symbolic link is followed only where nobody but root and we can have put it.  A caller who is not
root may also follow links of their own.  Behind a folder in which others may rename things, root
follows no link at all.  There, each further folder must be one that those others could write into
as well.  Then root does nothing that they could not do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import BadUsage
from covattach.files.held import HeldFile
from covattach.process.owner import Owner, as_owner

MOST_LINKS = 40  # as in Linux (path_resolution(7))
REMEDY = "Go there with `cd` and name it from there, or choose a folder that only you can change."


class SafePath:
    """How far a path has been resolved: `here` is the folder reached, and held.

    `is_loose` says that others could have exchanged that folder.  `missing` are the names behind
    it, the first of which does not exist.  `links` is the number of links followed.
    """

    def __init__(self, here: HeldFile) -> None:
        self.here = here
        self.is_loose = here.others_may_exchange
        self.missing: list[str] = []
        self.links = 0

    @classmethod
    def to(cls, folder: Path, make: bool = False) -> SafePath:
        """Resolve the path `folder`; with `make`, make missing folders.

        Raises OSError, and BadUsage where others could make the path lead elsewhere.
        """
        here = current()
        if here is not None and folder.is_relative_to(here):
            # Nobody but the caller has chosen the current directory, under any name.
            way, names = cls(HeldFile.open(".")), folder.relative_to(here).parts
        else:
            way, names = cls.from_root(), folder.parts[1:]  # the first is "/" or "//"
        try:
            way.go(folder, list(names), make)
        except BaseException:
            way.close()
            raise
        return way

    @classmethod
    def from_root(cls) -> SafePath:
        """Return a SafePath at "/", which counts as ours: who may change it has no need of us."""
        way = cls(HeldFile.open("/"))
        way.is_loose = False
        return way

    def __enter__(self) -> SafePath:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor of the folder reached."""
        self.here.close()

    def go(self, folder: Path, names: list[str], make: bool) -> None:
        """Resolve further `names`, up to a missing one; with `make`, make missing folders.

        `folder` is the whole path, for errors.  Raises OSError, BadUsage.
        """
        ahead = names[::-1]
        while ahead:
            name = ahead.pop()
            below = self.here.look(name)
            is_new = below is None and make
            if is_new:
                below = make_shared(self.here, name)
            if below is None:
                self.missing = [name, *ahead[::-1]]
                return
            if below.is_link:
                ahead += self.follow(below, folder)[::-1]
            else:
                self.enter(below, name, folder, is_new)

    def enter(self, below: HeldFile, name: str, folder: Path, is_new: bool) -> None:
        """Enter the folder `below`, named `name`; `is_new` says that we have just made it.

        `folder` is the whole path, for errors.  Raises NotADirectoryError, and BadUsage if it is
        not safe.
        """
        if not below.is_folder:
            below.close()
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        if self.is_loose and name != ".." and not self.may_enter(below, is_new):
            owner = below.facts.st_uid
            below.close()
            raise BadUsage(
                f"{name!r} on the way to {folder} belongs to user {owner}, and others may put"
                " another folder into its place.",
                REMEDY,
            )
        self.here.close()
        self.here = below
        self.is_loose = self.is_loose or below.others_may_exchange

    def may_enter(self, below: HeldFile, is_new: bool) -> bool:
        """Whether a folder that others could exchange may be entered, or is new, ours and empty."""
        if could_be_theirs(self.here, below):
            return True
        return is_new and below.is_ours and self.here.is_ours and below.is_empty

    def follow(self, link: HeldFile, folder: Path) -> list[str]:
        """Return the names in the target of `link`; go back to the root if that is absolute.

        `folder` is the whole path, for errors.  Raises BadUsage if others may have put the link
        there, OSError for too many links.
        """
        with link:
            leads = os.readlink("", dir_fd=link.descriptor)
            is_callers = link.is_ours and os.geteuid() != 0
        if not is_callers and (self.is_loose or not self.here.is_ours_alone):
            raise BadUsage(
                f"On the way to {folder} is a symbolic link that others may have put there.",
                f"Name the folder without it; it leads to {leads!r}.",
            )
        self.links += 1
        if self.links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
        if leads.startswith("/"):
            self.here.close()
            self.here = HeldFile.open("/")
        return [name for name in leads.split("/") if name not in ("", ".")]


def could_be_theirs(above: HeldFile, below: HeldFile) -> bool:
    """Whether those who may exchange `below`, in `above`, could write into it themselves.

    That is the question where we are root; others have to know with whom they share a folder.
    """
    if os.geteuid() != 0 and below.is_ours:
        return True
    shared, mode = above.facts, below.facts.st_mode
    if mode & stat.S_IWOTH:
        return True
    if not above.is_ours:
        return below.facts.st_uid == shared.st_uid
    is_of_group = bool(mode & stat.S_IWGRP) and below.facts.st_gid == shared.st_gid
    return is_of_group and not shared.st_mode & stat.S_IWOTH


def make_folder(above: HeldFile, name: str, mode: int = 0o777) -> HeldFile:
    """Make the folder `name` in `above` and return it, held; one that exists is returned.

    In a folder of another user, it is made with the rights of that user.  Raises OSError.
    """
    with acting_for(above), contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=above.descriptor)
    return HeldFile.open(name, above.descriptor)


def make_shared(above: HeldFile, name: str) -> HeldFile:
    """Make a missing folder of a path, and return it, held; shared by a group if `above` is.

    Else the path could not be resolved again: whoever shares the one may exchange the other.
    Raises OSError.
    """
    mode = above.facts.st_mode
    before = os.umask(0o077)
    try:
        os.umask(before & ~stat.S_IWGRP if mode & stat.S_ISGID and mode & stat.S_IWGRP else before)
        return make_folder(above, name)
    finally:
        os.umask(before)


@contextlib.contextmanager
def acting_for(folder: HeldFile) -> Iterator[None]:
    """Act in the body with the rights of a folder's owner, if we are root and the owner is not."""
    if os.geteuid() != 0 or folder.is_ours:
        yield
        return
    with as_owner(Owner(folder.facts.st_uid, folder.facts.st_gid)):
        yield


def current() -> str | None:
    """Return our current directory, or None if it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def is_settled(folder: Path) -> bool:
    """Whether a folder exists, and no other user can make its path lead elsewhere."""
    way = SafePath.from_root()
    try:
        way.go(folder, list(folder.parts[1:]), make=False)
        return not way.is_loose and not way.missing
    except (OSError, BadUsage):
        return False
    finally:
        way.close()


def is_private(folder: Path) -> bool:
    """Whether no other user can change a folder, or could make it if it does not exist."""
    way = SafePath.from_root()
    try:
        way.go(folder, list(folder.parts[1:]), make=False)
        return not way.is_loose and way.here.is_ours_alone
    except (OSError, BadUsage):
        return False
    finally:
        way.close()
