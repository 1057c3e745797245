"""The folder of an HTML report: whether it is covattach's, and how a report gets into it.

    with HtmlFolder(path) as folder:
        folder.lend(made)       files by which coverage leaves out pages that are up to date
        …                       coverage writes into `made`, a private folder
        folder.take(made)       its files are copied to `path`, page by page

coverage opens pages by their paths.  If others may change the folder of the report, a link in the
place of a page would lead the writer elsewhere.  So coverage itself never writes to that folder.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import BadUsage
from covattach.files.held import HeldFile
from covattach.files.safe_path import could_be_theirs, make_folder
from covattach.reports.atomic_file import Destination, failing, put, remove

MARKER = ".covattach"  # a file that marks an HTML folder as covattach's
TEXT = "The HTML report in this folder is covattach's, which replaces it with the next one.\n"
IGNORE = "# Created by covattach\n*\n"  # as coverage does: not to be committed by accident
NOTES = "status.json"  # coverage's own notes on the data that each page was made from
REMEDY = "Choose another folder with --html DIR."
MOST_FILES = 100_000


class HtmlFolder:
    """The folder of an HTML report at `path`, which may not exist yet.

    With `make`, the folders above it are made.  `pages`, set by `lend`, are the names of its pages.
    """

    def __init__(self, path: Path, make: bool = False) -> None:
        """Hold the folder that `path` is in; raises ReportFailed and BadUsage."""
        self.at = Destination.at(path, REMEDY, make)
        self.pages: set[str] = set()

    def __enter__(self) -> HtmlFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.at.way.close()

    @property
    def path(self) -> Path:
        """The absolute path of the folder."""
        return self.at.path

    def ensure_ours(self) -> None:
        """Check that a report may go into it: no folder yet, an empty one, or covattach's.

        Raises BadUsage otherwise.
        """
        with self.found():
            return

    @contextlib.contextmanager
    def found(self) -> Iterator[HeldFile | None]:
        """Yield the folder, held; None if there is none yet.  Raises BadUsage if `check` does."""
        try:
            found = self.at.look()
        except (OSError, ValueError) as error:
            raise unseen(self.path, error) from error
        with found or contextlib.nullcontext():
            if found is not None:
                self.check(found)
            yield found

    def check(self, found: HeldFile) -> None:
        """Raise BadUsage unless a report may go into the folder `found`.

        It must be empty or have MARKER in it.  One that others may have put here must be empty, or
        nobody else may be able to write into it.
        """
        if not found.is_folder:
            raise BadUsage(f"{self.path} is not a folder.", REMEDY)
        try:
            is_empty, is_marked = found.is_empty, has_file(found, MARKER)
        except OSError as error:
            raise unseen(self.path, error) from error
        if not is_empty and not is_marked:
            raise BadUsage(
                f"{self.path} has files in it, and covattach has not put them there.", REMEDY
            )
        # Whoever may put another folder here must not choose which folder of ours is written to.
        if not (self.is_meant(found) or is_empty or found.is_ours_alone):
            raise BadUsage(
                f"{self.path} is of user {found.facts.st_uid}, in a folder of another's.", REMEDY
            )

    def is_meant(self, found: HeldFile) -> bool:
        """Whether everybody who can have put the folder `found` here could also write into it.

        Then a report in it does no harm that they could not do themselves.
        """
        if self.at.way.is_loose:
            return could_be_theirs(self.at.folder, found)
        return found.is_ours or not self.at.folder.others_may_write

    @contextlib.contextmanager
    def opened(self) -> Iterator[HeldFile]:
        """Yield the folder, held, and made if need be; raises BadUsage and OSError.

        An empty folder that others may have put here is replaced by a new one.
        """
        mode = 0o777
        with self.found() as found:
            if found is not None and self.is_meant_or_ours(found):
                yield found
                return
            if found is not None:  # it is empty, and others may have put it here: make another
                mode = stat.S_IMODE(found.facts.st_mode) & 0o777
                os.rmdir(self.at.name, dir_fd=self.at.folder.descriptor)
        with make_folder(self.at.folder, self.at.name, mode) as new:
            self.check(new)
            if not (self.is_meant(new) or (new.is_ours and self.at.folder.is_ours)):
                raise BadUsage(f"{self.path} is being exchanged by somebody.", REMEDY)
            yield new

    def is_meant_or_ours(self, found: HeldFile) -> bool:
        """Whether a report may go into the folder `found` without making it anew."""
        return self.is_meant(found) or (found.is_ours_alone and has_file(found, MARKER))

    def lend(self, made: Path) -> None:
        """Copy coverage's notes into the folder `made`, with an empty file for each existing page.

        A page that coverage removes from `made` is to be removed; one that stays empty is up to
        date.  Notes that somebody else may have written are left out: they would decide the
        report's content.  Raises ReportFailed and BadUsage.
        """
        (made / MARKER).write_text(TEXT, encoding="utf-8")
        with failing(self.path, REMEDY), self.found() as found:
            if found is None:
                return
            names = list(itertools.islice(found.names(), MOST_FILES + 1))
            if len(names) > MOST_FILES:
                raise BadUsage(f"{self.path} has more than {MOST_FILES:,} files in it.", REMEDY)
            self.pages = {name for name in names if name.endswith(".html")}
            for name in self.pages:
                (made / name).touch(exist_ok=False)
            if found.is_believed:
                lend_notes(found, made)

    def take(self, made: Path) -> None:
        """Copy the new files in `made` into the folder, and remove pages that are not in `made`.

        The notes come last: after an interruption, the next report is made anew.  Raises
        ReportFailed and BadUsage.
        """
        with failing(self.path, REMEDY), self.opened() as folder:
            if folder.is_empty:
                (made / ".gitignore").write_text(IGNORE, encoding="utf-8")
            remove(folder, NOTES)
            for name in self.pages - set(os.listdir(made)):
                remove(folder, name)
            for name in sorted(os.listdir(made), key=turn):
                if name not in self.pages or (made / name).stat().st_size:
                    put(made / name, folder, name)


def turn(name: str) -> tuple[int, str]:
    """Return the key by which files are ordered: each comes after those that it refers to."""
    if name in (MARKER, NOTES):
        return (0 if name == MARKER else 4), name
    return 1 + name.endswith(".html") + name.endswith("index.html"), name


def lend_notes(found: HeldFile, made: Path) -> None:
    """Copy coverage's notes from `found` to `made`, if root or we wrote them; raises OSError."""
    notes = found.look(NOTES)
    with notes or contextlib.nullcontext():
        if notes is not None and notes.is_file and notes.is_believed:
            with notes.reading() as source, open(made / NOTES, "wb") as file:
                shutil.copyfileobj(source, file)


def has_file(folder: HeldFile, name: str) -> bool:
    """Tell whether a plain file of this name is in the folder; raises OSError."""
    found = folder.look(name)
    with found or contextlib.nullcontext():
        return found is not None and found.is_file


def unseen(path: Path, error: Exception) -> BadUsage:
    """Return the error for a folder that cannot be looked into."""
    return BadUsage(f"{path} cannot be looked into ({error}).", REMEDY)
