"""covattach's note in a data file: the origin of its data, and the reports made from it.

It is a row in the table `meta`, where coverage keeps its own notes.  coverage reads its own rows
only, so that `coverage report`, `html` and `combine` take such a file as it is.

A data file that others may have written is not trusted: it is read for no more than a few seconds,
with little memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from covattach.errors import ReportFailed

KEY = "covattach"
REMEDY = "Choose another file with --data-file FILE."
LONGEST_LOOK = 3.0  # seconds to read a data file that others may have written
LONGEST_TEXT = 16 << 20  # bytes of one value in such a file
SPARSE = 10  # bytes of coverage's `numbits` (a bit a line) that are read as fast as one arc
STEPS = 10_000  # sqlite's instructions between two looks at the clock: some milliseconds


def read_note(path: Path, is_ours: bool = True) -> dict[str, Any] | None:
    """Return covattach's note in the data file; None if there is none, or it is no data file.

    `is_ours` says that nobody else can have written the file; otherwise reading is limited.
    """
    try:
        with reading(path, is_ours) as database:
            row = database.execute("select value from meta where key = ?", (KEY,)).fetchone()
            note = json.loads(row[0]) if row else None
    except (sqlite3.Error, OSError, ValueError, TypeError, RecursionError, MemoryError):
        return None
    return note if isinstance(note, dict) else None


def part(note: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """Return the part `name` of a note; {} if it is not there, or is no dictionary."""
    value = (note or {}).get(name)
    return value if isinstance(value, dict) else {}


def mark(path: Path, note: dict[str, Any]) -> None:
    """Write `note` into the data file, in the place of an older one; raises ReportFailed."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("insert or replace into meta values (?, ?)", (KEY, json.dumps(note)))
    except sqlite3.Error as error:
        raise ReportFailed(f"The data file cannot be made: {error}", REMEDY) from error


def digest(path: Path, is_ours: bool = True) -> str:
    """Return a SHA-256 digest of the measured data, in hex; "" if the file is no data file.

    `coverage run --append` and `coverage combine --append` add to a data file and keep covattach's
    note in it.  Their additions would be lost if the file were then overwritten.  `is_ours` is that
    of `read_note`.
    """
    held = hashlib.sha256()
    try:
        with reading(path, is_ours) as database:
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


def counted(path: Path) -> tuple[int, int]:
    """Return the number of files in a data file, and of points: roughly its lines and arcs.

    The points are a measure of the time to read them.  Returns (0, 0) for another file.
    """
    queries = ("select count(*) from file", "select sum(length(numbits)) from line_bits")
    try:
        with reading(path, is_ours=False) as database:
            files, lines = (database.execute(query).fetchone()[0] or 0 for query in queries)
            arcs = database.execute("select count(*) from arc").fetchone()[0]
    except (sqlite3.Error, OSError, ValueError, TypeError):
        return 0, 0
    return int(files), int(lines) // SPARSE + int(arcs)


@contextlib.contextmanager
def reading(path: Path, is_ours: bool = True) -> Iterator[sqlite3.Connection]:
    """Open a data file as a read-only database; no journal beside it is read or applied.

    If not `is_ours`, time and memory are limited.
    """
    # `immutable`, because sqlite rolls a journal back even where it is only to read.
    uri = f"{Path(os.path.abspath(path)).as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        if not is_ours:
            limit(database)
        yield database


def limit(database: sqlite3.Connection) -> None:
    """Make a query fail that takes too long, or makes too long a value.

    In a file of somebody else's a table may be a view, which does any amount of work.
    """
    deadline = time.monotonic() + LONGEST_LOOK
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_TEXT)
    database.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    database.execute("pragma trusted_schema = off")
