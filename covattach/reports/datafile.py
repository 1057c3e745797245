"""The data file: what was measured, in the file that every coverage.py tool reads.

    ensure_ours(path)                               refuse to overwrite what is not ours
    write(snapshots, path, origin, …)               write it, whole or not at all
    origin(path) -> dict                            what `write` was told of the session
    loads(path) -> Loads                            which files the targets had imported before
    remember(path, outputs), remembered(path)       reports made from it, by their digests

`origin` is anything for JSON: {"pid", "command", "since", "version", …}.  `since`, in seconds since
1970, is what the reports compare the sources' dates with.  `never_ran` are files to be listed with
0 % (covattach.reports.sources.never_ran finds them).  `snapshots` may be of several processes.

The mark of a file of ours is a row in its table `meta`, where coverage keeps its own notes; it
reads its own rows only, so that `coverage report`, `html` and `combine` take such a file as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from covattach.errors import BadUsage, ReportFailed
from covattach.reports.loads import Loads, from_note, merged, to_note
from covattach.reports.replacing import replacing
from covattach.reports.snapshot import Arcs, Lines, Snapshot

KEY = "covattach"
REMEDY = "Choose another file with --data-file FILE."


def write(
    snapshots: Snapshot | Sequence[Snapshot],
    path: Path,
    origin: dict[str, Any],
    never_ran: Iterable[str] = (),
    context: str = "",
) -> None:
    """Write the snapshots to a data file that replaces the one of ours at `path`.

    The windows of a snapshot become coverage's contexts; `context` is the setting "run:context",
    which comes before each, as it does in coverage (coverage/collector.py, switch_context), and
    so does the process, if it is one of several.
    Raises BadUsage if what is there is not ours, and ReportFailed if it cannot be written or the
    snapshots cannot be in one file.
    """
    taken = [snapshots] if isinstance(snapshots, Snapshot) else list(snapshots)
    if len({snapshot.branch for snapshot in taken}) > 1:
        raise ReportFailed(
            "Some of these processes were measured with --branch and some without.",
            "Dump them one at a time, each with a --data-file of its own.",
        )
    ensure_ours(path)
    outputs = remembered(path) if path.exists() else {}
    with replacing(path, REMEDY) as beside:
        never = list(never_ran)
        fill(beside, taken, never, context)
        named = [name for snapshot in taken for name in snapshot.files] + never
        known = merged([snapshot.loads for snapshot in taken], named)
        note = {"origin": origin, "data": digest(beside), "outputs": outputs}
        mark(beside, {**note, "loads": to_note(known)})


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
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise BadUsage(f"{path} cannot be looked at ({error}).", REMEDY) from error
    if stat.S_ISLNK(mode):
        raise BadUsage(
            f"{path} is a symbolic link, and covattach does not write through it.", REMEDY
        )
    if not stat.S_ISREG(mode):
        raise BadUsage(f"{path} is not a file.", REMEDY)
    note = read_note(path)
    if note is None:
        raise BadUsage(f"{path} exists, and covattach has not written it.", REMEDY)
    if note.get("data") != digest(path):
        raise BadUsage(f"{path} holds data that covattach has not put there.", REMEDY)


def origin(path: Path) -> dict[str, Any]:
    """Return what `write` was told of the session; nothing for a file that is not ours."""
    return part(path, "origin")


def loads(path: Path) -> Loads:
    """Return which files had been imported before; nothing for a file that is not ours."""
    return from_note(part(path, "loads"))


def remembered(path: Path) -> dict[str, str]:
    """Return which reports were made from this data file: absolute name to digest."""
    return {name: str(value) for name, value in part(path, "outputs").items()}


def remember(path: Path, outputs: Iterable[Path]) -> None:
    """Add to the data file that these reports are ours, as they are now.

    Does nothing for a data file that is not ours.  Raises ReportFailed if it cannot be changed.
    """
    note = read_note(path)
    made = {os.path.abspath(output): digest_of_file(output) for output in outputs}
    if note is None or not made:
        return
    with replacing(path, REMEDY) as beside:
        shutil.copyfile(path, beside)
        mark(beside, {**note, "outputs": {**remembered(path), **made}})


def part(path: Path, name: str) -> dict[str, Any]:
    """Return one part of our note; an empty one if it is not there."""
    value = (read_note(path) or {}).get(name)
    return value if isinstance(value, dict) else {}


def read_note(path: Path) -> dict[str, Any] | None:
    """Return our note in the data file; None if there is none, or it is no data file."""
    try:
        with reading(path) as database:
            row = database.execute("select value from meta where key = ?", (KEY,)).fetchone()
            note = json.loads(row[0]) if row else None
    except (sqlite3.Error, OSError, ValueError, TypeError):
        return None
    return note if isinstance(note, dict) else None


def mark(path: Path, note: dict[str, Any]) -> None:
    """Write our note into the data file; raises ReportFailed."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("insert or replace into meta values (?, ?)", (KEY, json.dumps(note)))
    except sqlite3.Error as error:
        raise ReportFailed(f"{path} cannot be written ({error}).", REMEDY) from error


def digest(path: Path) -> str:
    """Return a digest of what was measured; "" for what is no data file.

    `coverage run --append` and `coverage combine --append` add to a data file and leave our note
    in it: what they have added would be lost if the file were taken for ours.
    """
    held = hashlib.sha256()
    try:
        with reading(path) as database:
            for query in (
                "select path from file order by path",
                "select path, context_id, numbits from line_bits join file on file_id = file.id"
                " order by path, context_id",
                "select count(*), count(distinct context_id) from arc",
            ):
                for row in database.execute(query):
                    held.update(repr(row).encode())
    except (sqlite3.Error, OSError, ValueError):
        return ""
    return held.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return a digest of a file's bytes; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without changing anything, journals beside it included."""
    # `immutable`, because sqlite rolls a journal back even where it is only to read.
    uri = f"{Path(os.path.abspath(path)).as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        yield database
