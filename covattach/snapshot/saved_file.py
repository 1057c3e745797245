"""A snapshot in a file, saved by a target at its end or from time to time.

The target can write anything to the file, and the reader may be root.  So only a plain file is
read, and no message shows its content.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from covattach.process import plain_files
from covattach.snapshot.snapshot import Snapshot, SnapshotError, decode, encode
from covattach.untrusted import parsed

# Bytes.  100,000 files with long names are 20 MB, and ten million lines 50 MB, or 80 as words.
LONGEST_HEADER = 1 << 25
LONGEST_BLOB = 80 << 20


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot in a file that a target saved; raises SnapshotError."""
    try:
        with open_plain(path) as file:
            header = parse(file.readline(LONGEST_HEADER + 1))
            blob = file.read(LONGEST_BLOB + 1)
    except OSError as error:
        raise SnapshotError(f"it cannot be read ({error.strerror})") from error
    if len(blob) > LONGEST_BLOB:
        raise SnapshotError("it is too long")
    return decode(header, blob)


def written(snapshot: Snapshot) -> bytes:
    """Return a snapshot as the content of a file, for `read_snapshot`."""
    header, blob = encode(snapshot)
    return json.dumps(header).encode() + b"\n" + blob


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file for reading; raises OSError for a link or a pipe, among others.

    Raises SnapshotError for a file that is too long.
    """
    with plain_files.opened(path, os.O_NOFOLLOW) as file:
        if os.fstat(file.fileno()).st_size > LONGEST_HEADER + LONGEST_BLOB:
            raise SnapshotError("it is too long")
        yield file


def parse(line: bytes) -> dict[str, Any]:
    """Return the header in `line`, the first line of a file; raises SnapshotError."""
    if not line.endswith(b"\n"):
        raise SnapshotError("its header has no end")
    try:
        header = parsed(line)
    except ValueError:
        raise SnapshotError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise SnapshotError("its header is not a JSON object")
    return header
