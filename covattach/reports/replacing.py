"""Files that a reader finds as they were before or as they are after, and never in between."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import ReportFailed


@contextlib.contextmanager
def replacing(path: Path, remedy: str) -> Iterator[Path]:
    """Give a path to write to, in a folder of its own beside `path`; it replaces `path` at the end.

    Nothing is left behind by a failure or by Ctrl-C.  A file that is replaced keeps its mode; a
    new one has the mode that it was made with.  Folders on the way to `path` are made.  Raises
    ReportFailed with `remedy` for any OSError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name must not begin with that of the data file: `coverage combine` would take it in.
        # And what is made in a folder has the mode of the user's umask, as mkstemp has not.
        folder = Path(tempfile.mkdtemp(prefix=".covattach-", dir=path.parent))
        try:
            beside = folder / "new"
            yield beside
            with contextlib.suppress(FileNotFoundError):
                beside.chmod(stat.S_IMODE(path.stat().st_mode))
            os.replace(beside, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportFailed(f"{path} cannot be written ({reason}).", remedy) from error
