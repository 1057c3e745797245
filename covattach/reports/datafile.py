"""The data file: the measured lines, in the file that every coverage.py tool reads.

    ensure_ours(path)                               refuse to overwrite another's file
    write(snapshots, path, origin, …)               write it, whole or not at all
    origin(path) -> dict                            the origin that `write` noted
    loads(path) -> ImportedModules                  which files the targets had imported before
    remember(path, copy, outputs), remembered(path) reports made from it, by their digests

`origin` is anything for JSON: {"pid", "command", "since", "version", …}.  The reports compare the
sources' dates with `since`, in seconds since 1970.  `never_ran` are files to be listed with
0 % (covattach.reports.source_files.never_ran finds them).  `snapshots` may be of several processes.

sqlite opens a file by its path, and files beside it by names made of that.  A journal can have
it write to, and remove, other files.  So it sees only files in folders of our own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from covattach.errors import BadUsage, ReportFailed
from covattach.files.held import HeldFile
from covattach.files.private_folder import private_folder
from covattach.reports import loaded_texts as known_texts
from covattach.reports.atomic_file import PREFIX, Destination, failing, put, remove
from covattach.reports.datafile_copy import Copy, copied
from covattach.reports.datafile_note import REMEDY, digest, mark
from covattach.snapshot.imported_modules import ImportedModules, from_note, merged, to_note
from covattach.snapshot.snapshot import Arcs, Lines, Snapshot

# What sqlite takes for a part of a data file, by the ending of its name, and how that begins
# (https://sqlite.org/fileformat.html).
PARTS = {"-journal": b"\xd9\xd5\x05\xf9", "-wal": b"\x37\x7f\x06"}


def write(
    snapshots: Snapshot | Sequence[Snapshot],
    path: Path,
    origin: dict[str, Any],
    never_ran: Iterable[str] = (),
    context: str = "",
    made: Path | None = None,
    texts: Mapping[str, known_texts.Text] = MappingProxyType({}),
) -> None:
    """Write the snapshots to a data file that replaces the one of ours at `path`.

    The windows of a snapshot become coverage's contexts.  `context` is the setting "run:context",
    which comes before each, as it does in coverage (coverage/collector.py, switch_context).  So
    does the process, if it is one of several.  The file also stays at `made`, a path of ours.
    `texts` are the facts of the sources' texts.  Raises BadUsage if a file there is not ours.
    Raises ReportFailed if it cannot be written, or the snapshots cannot be in one file.
    """
    taken = [snapshots] if isinstance(snapshots, Snapshot) else list(snapshots)
    if len({snapshot.branch for snapshot in taken}) > 1:
        raise ReportFailed(
            "Some of these processes were measured with --branch and some without.",
            "Dump them one at a time, each with a --data-file of its own.",
        )
    ensure_ours(path)
    outputs = remembered(path)
    with Destination.at(path, REMEDY, make=True) as place, private(place) as folder:
        beside = made or folder / "new"
        never = list(never_ran)
        fill(beside, taken, never, context)
        named = [name for snapshot in taken for name in snapshot.files] + never
        known = merged([snapshot.loads for snapshot in taken], named)
        note = {"origin": origin, "data": digest(beside), "outputs": outputs}
        mark(beside, {**note, "loads": to_note(known), "texts": known_texts.to_note(texts)})
        put_in_place(beside, place)


@contextlib.contextmanager
def private(place: Destination) -> Iterator[Path]:
    """Make a folder of our own, beside a place if that is safe; ReportFailed for any OSError."""
    with failing(place.path, REMEDY), private_folder(PREFIX, place.path.parent) as folder:
        yield folder


def put_in_place(made: Path, place: Destination) -> None:
    """Put a data file in place; remove files that sqlite takes for its parts.  Raises OSError."""
    for ending, beginning in PARTS.items():
        name = place.name + ending
        if place.folder.others_may_write or begins_with(place.folder, name, beginning):
            remove(place.folder, name)
    put(made, place.folder, place.name)


def begins_with(folder: HeldFile, name: str, beginning: bytes) -> bool:
    """Tell whether a plain file in the folder begins so; raises OSError."""
    found = folder.look(name)
    with found or contextlib.nullcontext():
        if found is None or not found.is_file:
            return False
        with found.reading() as file:
            return file.read(len(beginning)) == beginning


def fill(path: Path, snapshots: list[Snapshot], never_ran: Iterable[str], context: str) -> None:
    """Make a data file of the snapshots; raises ReportFailed with coverage's own message."""
    from coverage import CoverageData
    from coverage.exceptions import CoverageException

    data = CoverageData(basename=os.fspath(path))
    try:
        if not snapshots:
            data.add_lines({})
        for snapshot in snapshots:
            for window, files in (snapshot.windows or {"": snapshot.files}).items():
                parts = (context, snapshot.process, window)
                data.set_context("|".join(filter(None, parts)) or None)
                if snapshot.branch:
                    data.add_arcs(cast(Arcs, files))
                else:
                    data.add_lines(cast(Lines, files))
            # coverage writes no file whose set of arcs is empty, and one whose set of lines is.
            data.touch_files(list(snapshot.files))
            data.add_file_tracers(snapshot.file_tracers)
        data.touch_files(list(never_ran))
    except (CoverageException, sqlite3.Error) as error:
        raise ReportFailed(f"The data file cannot be made: {error}", REMEDY) from error
    finally:
        data.close(force=True)


def ensure_ours(path: Path) -> None:
    """Return if there is nothing at `path`, or a file of ours; raises BadUsage otherwise."""
    with Destination.at(path, REMEDY) as place:
        try:
            found = place.look()
        except (OSError, ValueError) as error:
            raise BadUsage(f"{path} cannot be looked at ({error}).", REMEDY) from error
        with found or contextlib.nullcontext():
            if found is not None:
                ensure_held_is_ours(path, found)


def ensure_held_is_ours(path: Path, found: HeldFile) -> None:
    """Return if the file at `path` is one of ours; raises BadUsage otherwise."""
    if found.is_link:
        raise BadUsage(
            f"{path} is a symbolic link, and covattach does not write through it.", REMEDY
        )
    if not found.is_file:
        raise BadUsage(f"{path} is not a file.", REMEDY)
    with copied(path) as copy:
        if copy is None or copy.note is None:
            raise BadUsage(f"{path} exists, and covattach has not written it.", REMEDY)
        if copy.note.get("data") != digest(copy.path, copy.is_ours):
            raise BadUsage(f"{path} holds data that covattach has not put there.", REMEDY)


def origin(path: Path) -> dict[str, Any]:
    """Return the origin that `write` noted; nothing for a file that is not ours."""
    with copied(path) as copy:
        return copy.part("origin") if copy else {}


def loads(path: Path) -> ImportedModules:
    """Return the files that had been imported before; nothing for a file that is not ours."""
    with copied(path) as copy:
        return from_note(copy.part("loads") if copy else {})


def remembered(path: Path) -> dict[str, str]:
    """Return the reports made from this data file: absolute name to digest."""
    with copied(path) as copy:
        return copy.outputs if copy else {}


def remember(path: Path, copy: Copy, outputs: Mapping[Path, str]) -> None:
    """Put the data file of which `copy` is one at `path`, and have it know these reports as ours.

    `outputs` are their digests.  Does nothing for a data file that is not ours.  Raises
    ReportFailed if it cannot be changed.
    """
    if not outputs or not copy.is_ours or copy.note is None:
        return
    known = {os.path.abspath(output): value for output, value in outputs.items()}
    with Destination.at(path, REMEDY) as place, private(place) as folder:
        beside = folder / "new"
        shutil.copyfile(copy.path, beside)
        mark(beside, {**copy.note, "outputs": {**copy.part("outputs"), **known}})
        put_in_place(beside, place)


def digest_of_file(path: Path) -> str:
    """Return a digest of a file's bytes; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
