"""The data file: the measured lines, in the file that every coverage.py tool reads.

    ensure_ours(path)                               BadUsage for a file that covattach did not write
    write(snapshots, path, origin, …)               write it, whole or not at all
    origin(path) -> dict                            the origin that `write` noted
    loads(path) -> ImportedModules                  the modules imported before the attach
    remember(path, copy, outputs), remembered(path) reports made from it, by their digests

`origin` is anything for JSON: {"pid", "command", "since", "version", …}.  `never_ran` are files to
be listed with 0 % (covattach.reports.source_files.never_ran finds them).  `snapshots` may be of
several processes.

sqlite opens a file by its path, and its journals by names derived from that.  A journal that
somebody else has put there can make it write to, and remove, other files.  So sqlite opens only
files in folders that nobody else can change.
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

# Journals, by the ending of their names, and the first bytes of a valid one
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
    """Write the snapshots to a data file that replaces an older one of covattach's at `path`.

    The windows of a snapshot become coverage's contexts.  Before each come `context`, which is the
    setting "run:context", and the snapshot's `process`, if any (coverage/collector.py,
    switch_context).  The file also stays at `made`, a private path.  `texts` are the states of the
    sources, for later reports.  Raises BadUsage if the file at `path` is not covattach's.  Raises
    ReportFailed if it cannot be written, or if the snapshots mix lines and arcs.
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
    """Yield a private folder, in the folder of `place` if that is safe.

    Raises ReportFailed for any OSError, also of the body.
    """
    with failing(place.path, REMEDY), private_folder(PREFIX, place.path.parent) as folder:
        yield folder


def put_in_place(made: Path, place: Destination) -> None:
    """Copy the data file `made` to `place`, and remove sqlite's journals there; raises OSError."""
    for ending, beginning in PARTS.items():
        name = place.name + ending
        if place.folder.others_may_write or begins_with(place.folder, name, beginning):
            remove(place.folder, name)
    put(made, place.folder, place.name)


def begins_with(folder: HeldFile, name: str, beginning: bytes) -> bool:
    """Tell whether the plain file `name` in `folder` begins with `beginning`; raises OSError."""
    found = folder.look(name)
    with found or contextlib.nullcontext():
        if found is None or not found.is_file:
            return False
        with found.reading() as file:
            return file.read(len(beginning)) == beginning


def fill(path: Path, snapshots: list[Snapshot], never_ran: Iterable[str], context: str) -> None:
    """Make a data file of the snapshots at `path`; raises ReportFailed with coverage's own message.

    `never_ran` and `context` are those of `write`.
    """
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
    """Check that `path` is free, or is a data file that covattach wrote; raises BadUsage."""
    with Destination.at(path, REMEDY) as place:
        try:
            found = place.look()
        except (OSError, ValueError) as error:
            raise BadUsage(f"{path} cannot be looked at ({error}).", REMEDY) from error
        with found or contextlib.nullcontext():
            if found is not None:
                ensure_held_is_ours(path, found)


def ensure_held_is_ours(path: Path, found: HeldFile) -> None:
    """Check that `found`, the file at `path`, is a data file that covattach wrote; raises BadUsage.

    The error is also raised if somebody else has added data to the file since.
    """
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
    """Return the origin that `write` noted in the data file; {} if the file is not covattach's."""
    with copied(path) as copy:
        return copy.part("origin") if copy else {}


def loads(path: Path) -> ImportedModules:
    """Return the modules imported before the attach, as `write` noted them in the data file.

    None are in the result for a file that is not covattach's.
    """
    with copied(path) as copy:
        return from_note(copy.part("loads") if copy else {})


def remembered(path: Path) -> dict[str, str]:
    """Return the reports made from this data file: absolute path to SHA-256 digest."""
    with copied(path) as copy:
        return copy.outputs if copy else {}


def remember(path: Path, copy: Copy, outputs: Mapping[Path, str]) -> None:
    """Replace the data file at `path` by its copy `copy`, with `outputs` added to its note.

    `outputs` maps the paths of reports to their digests.  Does nothing for a data file that is not
    covattach's.  Raises ReportFailed if it cannot be changed.
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
    """Return the SHA-256 digest of a file's bytes, in hex; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
