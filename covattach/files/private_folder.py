"""Temporary folders of our own, whose paths no other user can make lead elsewhere.

    with private_folder("report-", beside=Path("/srv/app")) as folder: ...

coverage and sqlite open files by their paths, and so does most of Python.  They may see only
folders that nobody else can change, rename or exchange.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import NotPossible
from covattach.files.safe_path import is_settled

BASES = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108  a random folder of mode 0700 in it


@contextlib.contextmanager
def private_folder(prefix: str, beside: Path | None = None) -> Iterator[Path]:
    """Make a folder that only we can look into, yield its path, and remove it after the body.

    Its name begins with `prefix`.  It is made in `beside`, where the results are going to be, if no
    other user can exchange files there.  That file system has the room.  Raises NotPossible where
    there is no safe place.
    """
    folder = made(prefix, beside)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def made(prefix: str, beside: Path | None) -> Path:
    """Make the folder of `private_folder` and return its path; raises NotPossible."""
    bases = [*([beside] if beside else []), *temporary()]
    for base in filter(is_settled, dict.fromkeys(bases)):
        try:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=base))
        except OSError:  # it cannot be written to
            continue
    if os.geteuid() != 0:  # who is not root has no rights to be abused
        with contextlib.suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=prefix))
    raise NotPossible(
        "There is no folder for temporary files in which others could not exchange them.",
        "Name one that only you can change: `TMPDIR=/root covattach …`.",
    )


def temporary() -> list[Path]:
    """Return the folders for temporary files, that of $TMPDIR first."""
    with contextlib.suppress(FileNotFoundError):  # none can be written to
        return [Path(tempfile.gettempdir()), *map(Path, BASES)]
    return [*map(Path, BASES)]
