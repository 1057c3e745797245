"""The cache of covattach, only in a folder to which no other user can have written.

    place("coverage", "3.9")        where it is, or is going to be

Its files are executed in targets of ours.  With `sudo` the home folder, and with it the cache, may
still be that of another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from covattach.files.safe_path import is_private


def place(*names: str) -> Path | None:
    """Return the path of the folder `names` in the cache, also if it does not exist.

    None if there is no safe place for a cache.  Raises nothing.
    """
    for base in bases():
        folder = base.joinpath("covattach", *names)
        if is_private(folder):
            return folder
    return None


def bases() -> Iterator[Path]:
    """Yield folders that a cache may be in: $XDG_CACHE_HOME if it is set, or those in our home."""
    asked = os.environ.get("XDG_CACHE_HOME")
    if asked:
        yield Path(os.path.abspath(asked))
        return
    with contextlib.suppress(RuntimeError):  # there is no home
        yield Path(os.path.abspath(Path.home() / ".cache"))
    with contextlib.suppress(KeyError):
        yield Path(os.path.abspath(pwd.getpwuid(os.geteuid()).pw_dir)) / ".cache"
