"""Our own records of sessions, where the target's user cannot change them.

The settings given at the start, also by `--rcfile`, count for later dumps too.  The session folder
belongs to the target's user, who could change them there.  So they are also kept in a folder of
ours, the place of records, unless the session folder is ours alone.
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

NAMES = ("pid", "start_time", "settings", "cwd")  # facts that are recorded
LONGEST = 1 << 20  # bytes
ATTEMPTS = 3  # to write a record: another covattach may just have removed the place of records
OTHERS = 0o022  # permission bits by which a group or others may write


def note(folder: SessionFolder, facts: dict[str, Any]) -> None:
    """Write a record of the session in `folder`, with those of its `facts` that are in NAMES.

    Does nothing if the folder is ours alone, or if there is no place for records.
    """
    if folder.is_ours_alone:
        return
    held = {"path": str(folder.path), "inode": inode(folder)}
    held.update((name, facts[name]) for name in NAMES if name in facts)
    for _ in range(ATTEMPTS):
        with contextlib.suppress(OSError), opened(make=True) as place:
            remove_stale(place)
            nofollow.write(place, name_of(folder), json.dumps(held).encode())
            return


def of(folder: SessionFolder) -> dict[str, Any]:
    """Return the record of the session in `folder`; {} if there is none."""
    found = None if folder.is_ours_alone else inode(folder)
    if found is None:
        return {}
    with contextlib.suppress(OSError), opened() as place:
        held = read(place, name_of(folder))
        if held.get("inode") == found:
            return held
    return {}


def remove(folder: SessionFolder) -> None:
    """Remove the record of the session in `folder`, and the place of records with the last one."""
    with contextlib.suppress(OSError), opened() as place:
        # Another session's folder, elsewhere, may have the same name.
        if read(place, name_of(folder)).get("path") == str(folder.path):
            os.unlink(name_of(folder), dir_fd=place)
        os.rmdir(os.readlink(f"/proc/self/fd/{place}"))


def remove_stale(place: int) -> None:
    """Remove records whose session folders have gone; `place` is a descriptor of their folder."""
    for name in nofollow.names(place):
        held = read(place, name)
        if held.get("inode") != inode_of(Path(str(held.get("path")))):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=place)


def read(place: int, name: str) -> dict[str, Any]:
    """Return the content of the record `name`; {} if it is missing or damaged."""
    try:
        return validated(json.loads(nofollow.read(place, name, LONGEST)))
    except (OSError, ValueError, RecursionError):
        return {}


def name_of(folder: SessionFolder) -> str:
    """Return the file name of a session's record, after the session folder's random name."""
    return f"{folder.path.name}.json"


def inode(folder: SessionFolder) -> list[int] | None:
    """Return the device and inode numbers of a session folder, or None if it is gone.

    They differ from those of a later folder with the same name.
    """
    return inode_of(folder.path)


def inode_of(path: Path) -> list[int] | None:
    """Return the device and inode numbers of `path`, or None if it does not exist."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return [found.st_dev, found.st_ino]


@contextlib.contextmanager
def opened(make: bool = False) -> Iterator[int]:
    """Yield a descriptor of the place of records, which only we can write to; raises OSError.

    With `make`, the folder is made if it does not exist.
    """
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
    """Yield the possible folders for records: one that is emptied at boot, and one at home.

    Neither HOME nor XDG_STATE_HOME counts: sudo may have left us those of another user.
    """
    uid = os.geteuid()
    yield Path("/run/covattach") if uid == 0 else Path(f"/run/user/{uid}/covattach")
    with contextlib.suppress(KeyError):
        yield Path(pwd.getpwuid(uid).pw_dir, ".local/state/covattach")


def is_safe(path: Path) -> bool:
    """Whether `path` is our folder, and only we and root can change it and those above it.

    Raises OSError.
    """
    for one in (path, *path.parents):
        found = one.lstat()
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & OTHERS:
            return False
    return path.lstat().st_uid == os.geteuid() and not path.is_symlink()
