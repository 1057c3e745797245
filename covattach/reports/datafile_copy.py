"""An existing data file, copied so that nobody else can change it while it is read.

    with copied(path) as copy: ...          a Copy, or None

sqlite follows links, and reads journals beside a file as parts of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covattach.files.held import HeldFile
from covattach.files.private_folder import private_folder
from covattach.files.safe_path import is_settled
from covattach.reports.atomic_file import PREFIX, Destination
from covattach.reports.datafile_note import REMEDY, part, read_note

BLOCK = 1 << 20  # bytes
LARGEST = 64 << 20  # bytes; a larger file is not read if others may have written it


@dataclass(frozen=True)
class Copy:
    """A data file as it was at one moment, at a path where nobody else can change it.

    `is_ours` says that nobody else can have written it.  If not, only those of its reports count
    that are in the folder `anybodys`: in there, others could replace everything themselves.
    """

    path: Path
    is_ours: bool = True
    anybodys: str | None = None

    @functools.cached_property
    def note(self) -> dict[str, Any] | None:
        """The note of covattach's in the data file (datafile_note.py), or None."""
        return read_note(self.path, self.is_ours)

    def part(self, name: str) -> dict[str, Any]:
        """Return the part `name` of the note; {} if it is not there."""
        return part(self.note, name)

    @property
    def outputs(self) -> dict[str, str]:
        """The reports that were made from the data file: absolute path to digest."""
        return {
            name: str(value)
            for name, value in self.part("outputs").items()
            if self.is_ours or os.path.dirname(name) == self.anybodys
        }


@contextlib.contextmanager
def copied(path: Path) -> Iterator[Copy | None]:
    """Yield a copy of the data file at `path`; None if there is none, or it cannot be read.

    Where nobody else can change the file or its folder, the file itself is used, without copying.
    """
    with Destination.at(path, REMEDY) as place, contextlib.ExitStack() as stack:
        try:
            found = place.look()
        except (OSError, ValueError):
            found = None
        if found is None:
            yield None
            return
        stack.enter_context(found)
        yield copy_of(place, found, stack)


def copy_of(place: Destination, found: HeldFile, stack: contextlib.ExitStack) -> Copy | None:
    """Return a Copy of `found`, the data file at `place`; None if it cannot be read.

    `stack` is to remove the copy at its end.
    """
    is_exchangeable = place.way.is_loose and found.facts.st_nlink > 1
    is_ours = found.is_believed and not is_exchangeable
    is_shut = not place.folder.others_may_write and is_settled(place.path.parent)
    if found.is_file and is_ours and is_shut:
        return Copy(place.path)
    path = stack.enter_context(private_folder(PREFIX)) / "copy"
    try:
        path.write_bytes(b"")
        if not copy_to(found, path):
            return None
    except OSError:
        return None
    anybodys = os.path.dirname(place.path) if place.folder.others_may_exchange else None
    return Copy(path, is_ours, anybodys)


def copy_to(found: HeldFile, path: Path) -> bool:
    """Copy the file `found` to `path`; return whether `is_readable` allows it; raises OSError."""
    if not is_readable(found):
        return False
    with found.reading() as source, open(path, "wb") as file:
        if found.is_believed:
            shutil.copyfileobj(source, file)
        else:
            file.write(source.read(LARGEST))  # and no more, though it may be growing
    return True


def digest_of(found: HeldFile) -> str:
    """Return the SHA-256 digest of a file's bytes, in hex; "" if `is_readable` refuses the file.

    Raises OSError.
    """
    if not is_readable(found):
        return ""
    held = hashlib.sha256()
    with found.reading() as file:
        while (block := file.read(BLOCK)) and (found.is_believed or file.tell() <= LARGEST):
            held.update(block)
    return held.hexdigest()


def is_readable(found: HeldFile) -> bool:
    """Tell whether `found` is a plain file, and small enough if others may have written it."""
    return found.is_file and (found.is_believed or found.facts.st_size <= LARGEST)
