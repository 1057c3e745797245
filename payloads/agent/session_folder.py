"""The session folder: it has the session's socket and snapshots, and only its user has access.

covattach makes it for a process that it attaches to.  A process of a tree that was born later makes
its own.  That is beside the folder of the tree and begins with its name, so that it is found.  It
is made only when needed: a child that becomes another program at once, as most do, needs none.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from .. import session_files
from ..interpreter import descriptors, json_text


class SessionFolder:
    """The folder of one session, at `path`; with `facts`, one that is still to be made.

    In that case `path` is the beginning of its name.  `facts` are those of the session, to be
    written into it beside `own_facts`, and `lock` is a lock of `_thread`.
    """

    def __init__(self, path: str, facts: dict[str, Any] | None = None, lock: Any = None) -> None:
        self.path = path
        self.stem = path
        self.facts = facts or {}
        self.lock = lock
        self.is_made = facts is None

    def make(self) -> str:
        """Make the folder if that was not done yet, and return its path; raises OSError."""
        if not self.is_made:
            with self.lock:
                if not self.is_made:
                    self.make_anew()
        return self.path

    def within(self, act: Any) -> None:
        """Call `act` with the folder's path; if that cannot be used, with a new folder's.

        The process may have become another user since.  Raises OSError.
        """
        try:
            act(self.make())
        except (PermissionError, FileNotFoundError):
            if not self.facts:
                raise
            act(self.make_anew())

    def make_anew(self) -> str:
        """Make a new folder with an unpredictable name, and return its path; raises OSError."""
        path = f"{self.stem}-{os.urandom(4).hex()}"
        os.mkdir(path, 0o700)
        content = json_text.dumps({**own_facts(), **self.facts})
        descriptors.write(f"{path}/{session_files.FACTS}", [content.encode()])
        self.path = path
        self.is_made = True
        return path

    def exists(self) -> bool:
        """Tell whether the folder is still there."""
        return os.path.isdir(self.path)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        remove_tree(self.path)

    def shrink(self) -> None:
        """Remove the payloads and coverage, which nobody needs once the process has ended.

        Not from a tree's folder: processes that are born later begin with them.
        """
        if self.is_made and not os.path.exists(f"{self.path}/{session_files.TREE_REQUEST}"):
            for name in (session_files.PAYLOADS, session_files.COVERAGE):
                if not os.path.islink(f"{self.path}/{name}"):
                    remove_tree(f"{self.path}/{name}")


def remove_tree(folder: str) -> None:
    """Remove a folder and all that is in it; errors are ignored.

    Not by `shutil`, whose import brings in every kind of compression there is.
    """
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(folder)
    except OSError:
        return  # covattach is removing it at the same time, and will be the one to say so


def own_facts() -> dict[str, Any]:
    """Return the facts that identify this process, as `covattach.attach.first_facts` does."""
    fields = descriptors.text("/proc/self/stat").rpartition(")")[2].split()
    command = descriptors.text("/proc/self/cmdline").replace("\0", " ")
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "start_time": int(fields[19]),
        "command": command,
        "cwd": os.readlink("/proc/self/cwd"),
        "created": time.time(),
        "python": ".".join(str(part) for part in sys.version_info[:3]),
    }


def folder_in_tree(folder: str, key: Any, unpatched: Any) -> SessionFolder:
    """Return the SessionFolder, still to be made, of a process that was born in a tree.

    `folder` is the tree's.  The tree's secret `key` proves that the process is a member, see
    covattach/session/folder_lookup.py.  The lock is reentrant: a signal handler may save while the
    folder is being made.
    """
    return SessionFolder(folder, {"tree": folder, "key": key}, unpatched("_thread", "RLock")())
