"""The session folder: it holds the payloads, the agent's socket and the last snapshot.

It lies in a temporary directory of the *target*, under a random name, and belongs to the target's
user.  Nobody else can look into it.

That user can change anything in it at any moment, and we may be root.  So all work in the folder is
done with that user's rights, and by steps that follow no symbolic link.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covattach.errors import NoTarget, NotPossible
from covattach.payloads import session_files
from covattach.process import nofollow
from covattach.process.owner import Owner, as_owner
from covattach.process.process import Process
from covattach.snapshot.saved_file import read_snapshot
from covattach.snapshot.snapshot import Snapshot
from covattach.untrusted import parsed, validated

LONGEST_FACTS = 1 << 18  # bytes
MOST_FACTS = 2000  # JSON values: settings are a few hundred; there may be thousands of folders
LONGEST_FAULT = 1 << 16  # bytes of a traceback
MOST_NAMES = 1000  # files of one kind in a folder
LEFT_OUT = ("__pycache__",)
# How the name of a FIFO begins that tells what the first line has raised (bootstrap_line.py).
BIRTH = 2.0  # seconds within which the agent of a new process in a tree listens


@dataclass(frozen=True)
class SessionFolder:
    """A session folder: its path for us, its path in the target's view, and its owner."""

    path: Path
    path_in_target: str
    owner: Owner | None = None

    @property
    def root(self) -> Path:
        """The target's root directory, as a path for us."""
        return Path(str(self.path).removesuffix(self.path_in_target) or "/")

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Yield a descriptor of the folder; the body runs with its owner's rights.

        Raises OSError, also for a symbolic link in the path, and NotPossible.
        """
        with opened(self.root, self.path_in_target, self.owner) as folder:
            yield folder

    @property
    def is_ours_alone(self) -> bool:
        """Whether we own the folder, and it is not in a container: no other user can change it."""
        mine = self.owner is None or self.owner.uid == os.geteuid()
        return mine and self.root == Path("/")

    @property
    def socket(self) -> Path:
        """The path of the agent's socket."""
        return Path(self.path, session_files.SOCKET)

    @property
    def snapshot(self) -> Path:
        """The path of the last snapshot that the agent saved by itself."""
        return Path(self.path, session_files.SNAPSHOT)

    def read(self, name: str, most: int) -> bytes:
        """Return the first `most` bytes of the file `name`; b"" where it cannot be read."""
        try:
            with self.opened() as folder:
                return nofollow.read(folder, name, most)
        except (OSError, NotPossible):
            return b""

    def snapshot_in(self, name: str) -> Snapshot:
        """Return the snapshot saved in the file `name`; raises OSError, SnapshotError."""
        with self.opened() as folder:
            return read_snapshot(Path(f"/proc/self/fd/{folder}/{name}"))

    def has(self, name: str) -> bool:
        """Whether the folder has a file `name`; False also where we may not look."""
        try:
            with self.opened() as folder:
                return nofollow.exists(folder, name)
        except (OSError, NotPossible):
            return False

    @property
    def fault(self) -> str:
        """The traceback of an agent that failed, or "".

        Where it could not even start, it is the exception that the injected line raised.
        """
        told = self.read(session_files.FAULT, LONGEST_FAULT).decode(errors="replace")
        return told or "\n".join(
            name.removeprefix(session_files.RAISED) for name in self.names(session_files.RAISED)
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The session's facts, from the file session.json; {} if that is missing or malformed.

        They are checked, because the target's user can change that file.
        """
        try:
            return validated(parsed(self.read(session_files.FACTS, LONGEST_FACTS), MOST_FACTS))
        except ValueError:
            return {}

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write the session's facts into the file session.json, atomically."""
        self.add_file(session_files.FACTS, json.dumps(facts).encode())

    def add_file(self, name: str, content: bytes) -> str:
        """Write a file below the folder, atomically; return its path in the target's view."""
        below, _, base = name.rpartition("/")
        with self.opened() as folder, nofollow.opened(folder, below) as into:
            nofollow.write(into, base, content)
        return f"{self.path_in_target}/{name}"

    def add_tree(self, source: Path, name: str) -> str:
        """Copy the Python package in `source` into the folder; return its path for the target."""
        for where, folders, names in os.walk(source):
            folders[:] = [one for one in folders if one not in LEFT_OUT]
            below = os.path.normpath(os.path.join(name, os.path.relpath(where, source)))
            contents = {one: Path(where, one).read_bytes() for one in names}
            with self.opened() as folder:
                os.mkdir(below, 0o700, dir_fd=folder)
                with nofollow.opened(folder, below) as into:
                    for one, content in contents.items():
                        nofollow.write(into, one, content)
        return f"{self.path_in_target}/{name}"

    @property
    def is_closed(self) -> bool:
        """Whether nobody but the folder's owner can look into it."""
        return self.belongs_to(self.owner.uid if self.owner else os.geteuid())

    def belongs_to(self, uid: int) -> bool:
        """Whether it is owned by the user ID `uid`, and closed to others; False once removed."""
        return self.only_user == uid

    @property
    def only_user(self) -> int | None:
        """The user ID of the folder's owner, or None if others may look into it."""
        try:
            with self.opened() as folder:
                found = os.fstat(folder)
        except (OSError, NotPossible):
            return None
        return None if found.st_mode & 0o077 else found.st_uid

    def is_claimed(self) -> bool:
        """Whether the launch file has been executed: the first to execute it removes the token."""
        return not self.has(session_files.TOKEN)

    def is_only_a_tree(self) -> bool:
        """Whether `covattach run` made the folder for a tree: it is no process's own session."""
        return bool(self.facts.get("method") == "run")

    def has_living_process(self) -> bool:
        """Whether the process that the folder's facts name is still alive."""
        facts = self.facts
        try:
            process = Process(facts["pid"])
            return process.start_time == facts["start_time"] and process.is_alive()
        except (LookupError, TypeError, ValueError, NoTarget):
            return False

    def is_being_made(self) -> bool:
        """Whether its maker is still attaching, or a new process of a tree is still starting."""
        facts = self.facts
        if facts.get("tree") and time.time() - float(facts.get("created") or 0) < BIRTH:
            return True
        attacher = facts.get("attacher")
        if not (isinstance(attacher, list) and len(attacher) == 2):
            return False
        try:
            return bool(Process(attacher[0]).start_time == attacher[1])
        except NoTarget:
            return False

    def remove_token(self) -> bool:
        """Remove the token: code that was injected, but has not run yet, then does nothing.

        Return whether the token was there; if not, the launch file has been executed.
        """
        try:
            with self.opened() as folder:
                os.unlink(session_files.TOKEN, dir_fd=folder)
        except OSError:
            return False
        return True

    def names(self, start: str) -> list[str]:
        """Return the names of files that begin with `start`; [] where we may not look.

        At most MOST_NAMES: the folder's owner can make any number of files.
        """
        try:
            with self.opened() as folder:
                found = nofollow.names(folder, nofollow.MOST_REMOVED)
                return [name for name in found if name.startswith(start)][:MOST_NAMES]
        except (OSError, NotPossible):
            return []

    def remove_file(self, name: str) -> None:
        """Remove the file `name`, if it is there and can be removed."""
        with contextlib.suppress(OSError, NotPossible), self.opened() as folder:
            os.unlink(name, dir_fd=folder)

    def remove(self) -> None:
        """Remove the token, and then the folder with its content, as far as that is possible."""
        base, _, name = self.path_in_target.rpartition("/")
        with contextlib.suppress(OSError, NotPossible):
            self.remove_token()
            with opened(self.root, base, self.owner) as folder:
                nofollow.remove(folder, name)


@contextlib.contextmanager
def opened(root: Path, inside: str, owner: Owner | None) -> Iterator[int]:
    """Yield a descriptor of the folder `inside` below `root`; the body runs with `owner`'s rights.

    Without an owner, the rights stay ours.  Raises OSError, also for a symbolic link in the path,
    and NotPossible where we may not take on these rights.
    """
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        acting = as_owner(owner) if owner else contextlib.nullcontext()
        with acting, nofollow.opened(descriptor, inside) as folder:
            yield folder
    finally:
        os.close(descriptor)
