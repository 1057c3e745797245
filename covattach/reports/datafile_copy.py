"""A data file that is there already, as a copy that nobody else can change while it is read.

    with copied(path) as copy: ...

sqlite follows links, and takes files beside a file for parts of it.
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
LARGEST = 64 << 20  # bytes of a file that is not ours alone: more is not looked at


@dataclass(frozen=True)
class Copy:
    """A data file as it was at one moment, at a path of ours.

    `is_ours` says that nobody else can have written it.  If not, only its reports in the folder
    `anybodys` count: in there, others could replace everything themselves.
    """

    path: Path
    is_ours: bool = True
    anybodys: str | None = None

    @functools.cached_property
    def note(self) -> dict[str, Any] | None:
        """Our note in it, or None."""
        return read_note(self.path, self.is_ours)

    def part(self, name: str) -> dict[str, Any]:
        """Return one part of our note; an empty one if it is not there."""
        return part(self.note, name)

    @property
    def outputs(self) -> dict[str, str]:
        """The reports that were made from it: absolute name to digest."""
        return {
            name: str(value)
            for name, value in self.part("outputs").items()
            if self.is_ours or os.path.dirname(name) == self.anybodys
        }


@contextlib.contextmanager
def copied(path: Path) -> Iterator[Copy | None]:
    """Hold a copy of a data file; None where there is none that can be read.

    Where nobody else can put anything beside it, it is its own copy.
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
    """Return a copy of the data file at a place, or None where it cannot be read."""
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
    """Copy a plain file; return whether it was one, and not too long; raises OSError."""
    if not is_readable(found):
        return False
    with found.reading() as source, open(path, "wb") as file:
        if found.is_believed:
            shutil.copyfileobj(source, file)
        else:
            file.write(source.read(LARGEST))  # and no more, though it may be growing
    return True


def digest_of(found: HeldFile) -> str:
    """Return a digest of a plain file's bytes, "" for anything else or too long; raises OSError."""
    if not is_readable(found):
        return ""
    held = hashlib.sha256()
    with found.reading() as file:
        while (block := file.read(BLOCK)) and (found.is_believed or file.tell() <= LARGEST):
            held.update(block)
    return held.hexdigest()


def is_readable(found: HeldFile) -> bool:
    """Tell whether it is a plain file; one that others may have written must not be too long."""
    return found.is_file and (found.is_believed or found.facts.st_size <= LARGEST)
