"""Records of sessions in a place of ours, where the target's user cannot change them.

The settings from the start's command line, or from `--rcfile`, also count for a later dump.  The
session's folder belongs to the target's user, who could change the settings there.  So they are
kept in a place of ours as well, unless the folder is ours alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from covattach.process import nofollow
from covattach.session.folder import SessionFolder
from covattach.untrusted import validated

NAMES = ("pid", "start_time", "settings", "cwd")
LONGEST = 1 << 20  # bytes
ATTEMPTS = 3  # to keep something: another covattach may just have removed our place
OTHERS = 0o022  # modes by which others could write


def note(folder: SessionFolder, facts: dict[str, Any]) -> None:
    """Keep the first facts of the session in that folder, if we have a place of our own."""
    if folder.is_ours_alone:
        return
    held = {"path": str(folder.path), "inode": inode(folder)}
    held.update((name, facts[name]) for name in NAMES if name in facts)
    for _ in range(ATTEMPTS):
        with contextlib.suppress(OSError), opened(make=True) as place:
            clear(place)
            nofollow.write(place, name_of(folder), json.dumps(held).encode())
            return


def of(folder: SessionFolder) -> dict[str, Any]:
    """Return the record of the session in that folder; nothing if there is none."""
    found = None if folder.is_ours_alone else inode(folder)
    if found is None:
        return {}
    with contextlib.suppress(OSError), opened() as place:
        held = read(place, name_of(folder))
        if held.get("inode") == found:
            return held
    return {}


def forget(folder: SessionFolder) -> None:
    """Remove the record of a session that is over, and our place with the last record."""
    with contextlib.suppress(OSError), opened() as place:
        # Another session's folder, elsewhere, may have the same name.
        if read(place, name_of(folder)).get("path") == str(folder.path):
            os.unlink(name_of(folder), dir_fd=place)
        os.rmdir(os.readlink(f"/proc/self/fd/{place}"))


def clear(place: int) -> None:
    """Remove the records of sessions whose folders no longer exist."""
    for name in nofollow.names(place):
        held = read(place, name)
        if held.get("inode") != inode_of(Path(str(held.get("path")))):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=place)


def read(place: int, name: str) -> dict[str, Any]:
    """Return the content of a record; nothing for a damaged one."""
    try:
        return validated(json.loads(nofollow.read(place, name, LONGEST)))
    except (OSError, ValueError, RecursionError):
        return {}


def name_of(folder: SessionFolder) -> str:
    """Return the name of the file: that of the folder, which is random."""
    return f"{folder.path.name}.json"


def inode(folder: SessionFolder) -> list[int] | None:
    """Return numbers that tell a folder from a later one of its name, or None if it is gone."""
    return inode_of(folder.path)


def inode_of(path: Path) -> list[int] | None:
    """Return the device and the number of a folder; None if there is none."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return [found.st_dev, found.st_ino]


@contextlib.contextmanager
def opened(make: bool = False) -> Iterator[int]:
    """Yield a descriptor of our place, which nobody else can write to; raises OSError."""
    for path in candidates():
        with contextlib.suppress(OSError):
            if make:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_safe(path):
                continue
            descriptor = os.open(path, nofollow.FOLDER)
            break
    else:
        raise FileNotFoundError("there is no place of our own")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def candidates() -> Iterator[Path]:
    """Yield where our place could be: gone with the next boot, or else at home.

    Neither HOME nor XDG_STATE_HOME counts: sudo may have left us those of another user.
    """
    uid = os.geteuid()
    yield Path("/run/covattach") if uid == 0 else Path(f"/run/user/{uid}/covattach")
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(uid).pw_dir, ".local/state/covattach")


def is_safe(path: Path) -> bool:
    """Whether only we and root can change a folder, and those that it is in; raises OSError."""
    for one in (path, *path.parents):
        found = one.lstat()
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & OTHERS:
            return False
    return path.lstat().st_uid == os.geteuid() and not path.is_symlink()
