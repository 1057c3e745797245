"""The folder of a session: the payloads, the agent's socket, the last snapshot.

It lies in a temporary directory of the *target*, belongs to the target's user, and nobody else
can look into it.  Its name is random; it is found again by what it says of itself, and believed
only where it belongs to the user whom the process belongs to.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from covattach.errors import NoTarget, NotPossible
from covattach.target.process import Process

BASES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  a random folder of mode 0700 in it
PREFIX = "covattach-"
LONGEST_FACTS = 1 << 20
BIRTH = (
    2.0  # seconds in which a process of a tree has opened its door, from the making of its folder
)


@dataclass(frozen=True)
class Folder:
    """A session's folder: `path` as we see it, `inside` as the target sees it."""

    path: Path
    inside: str

    @property
    def socket(self) -> Path:
        """Where the agent listens."""
        return self.path / "agent.sock"

    @property
    def snapshot(self) -> Path:
        """The last snapshot that the agent saved by itself."""
        return self.path / "snapshot"

    @property
    def fault(self) -> str:
        """The traceback of an agent that could not even listen, or nothing."""
        try:
            return (self.path / "fault").read_text(errors="replace")
        except OSError:
            return ""

    @property
    def facts(self) -> dict[str, Any]:
        """What the session says of itself; the target could have changed it, so it may be empty."""
        try:
            with (self.path / "session.json").open("rb") as file:
                found = json.loads(file.read(LONGEST_FACTS))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write what the session says of itself, whole or not at all."""
        beside = self.path / "session.json.new"
        beside.write_text(json.dumps(facts))
        self.give(beside)
        beside.replace(self.path / "session.json")

    def beside(self) -> list[Folder]:
        """Return the folders of the other sessions of its tree, if it is the first of one."""
        return [
            Folder(path, f"{self.inside.rpartition('/')[0]}/{path.name}")
            for path in sorted(self.path.parent.glob(self.path.name + "-*"))
            if path.is_dir() and not path.is_symlink()
        ]

    def give(self, path: Path) -> None:
        """Make `path` belong to whom the folder belongs to."""
        owner = self.path.stat()
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(path, owner.st_uid, owner.st_gid)

    def add_file(self, name: str, content: bytes) -> str:
        """Write a file into the folder; return its path for the target."""
        (self.path / name).write_bytes(content)
        self.give(self.path / name)
        return f"{self.inside}/{name}"

    def add_tree(self, source: Path, name: str) -> str:
        """Copy the Python package in `source` into the folder; return its path for the target."""
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, self.path / name, ignore=without, copy_function=shutil.copyfile)
        if not self.belongs_to(os.geteuid()):
            for path in (self.path / name, *(self.path / name).rglob("*")):
                self.give(path)
        return f"{self.inside}/{name}"

    def belongs_to(self, uid: int) -> bool:
        """Whether it is that user's; a folder that has just been removed is nobody's."""
        try:
            return self.path.stat().st_uid == uid
        except OSError:
            return False

    def is_claimed(self) -> bool:
        """Whether the launch file has been executed: the first to do so takes the token."""
        return not (self.path / "token").exists()

    def is_only_a_tree(self) -> bool:
        """Whether it was made for a tree, by `covattach run`, and no process has it for its own."""
        return bool(self.facts.get("method") == "run")

    def is_being_made(self) -> bool:
        """Whether whoever made the folder is still at work on the session's beginning."""
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

    def is_dead(self) -> bool:
        """Whether nothing can come of it any more: its process has ended and has saved nothing.

        Nor has any process of its tree, if it is the first of one.
        """
        if any(not one.is_dead() for one in self.beside()) or any(self.path.glob("ended-*")):
            return False
        try:
            process = Process(int(self.facts["pid"]))
        except (KeyError, ValueError, NoTarget):
            return not self.snapshot.exists() and not self.is_being_made()
        return process.start_time != self.facts.get("start_time") and not self.snapshot.exists()

    def withdraw(self) -> bool:
        """Take the token away: what was armed and has not run yet does nothing from now on.

        Return whether it was there; if not, the launch file has been executed.
        """
        try:
            (self.path / "token").unlink()
        except FileNotFoundError:
            return False
        return True

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self.withdraw()
        shutil.rmtree(self.path, ignore_errors=True)


def create(process: Process, tree: str | None = None) -> Folder:
    """Make a session folder for `process`, with the payloads in it; raises NotPossible.

    `tree` is the folder of the tree that the session is to belong to, as the target sees it.
    """
    if tree is not None:
        stems = [f"{tree}-{os.urandom(4).hex()}"]
    else:
        stems = [f"{base}/{PREFIX}{os.urandom(6).hex()}" for base in BASES]
    for inside in stems:
        base = inside.rpartition("/")[0]
        with contextlib.suppress(OSError):
            folder = make(process, base, inside)
            folder.add_tree(Path(str(files("covattach.payloads"))), "payloads")
            folder.add_file("token", b"")
            return folder
    raise NotPossible(
        f"None of {', '.join(BASES)} can be written to in the view of process {process.pid}.",
        "Mount a writable /tmp for it, or make room on the file system.",
    )


def make(process: Process, base: str, inside: str) -> Folder:
    """Make the empty folder; raises OSError where `base` is no directory that we can use."""
    if not stat.S_ISDIR(os.lstat(process.path_of(base)).st_mode):
        raise NotADirectoryError(base)  # a link could lead out of the target's root
    path = process.path_of(inside)
    path.mkdir(mode=0o700)
    if (process.uid, process.gid) != (os.geteuid(), os.getegid()):
        os.chown(path, process.uid, process.gid)
    return Folder(path, inside)


def folders_in(root: Path) -> Iterator[Folder]:
    """Yield the session folders below `root`, by whomever they were made."""
    for base in BASES:
        with contextlib.suppress(OSError):
            for path in sorted((root / base.lstrip("/")).glob(PREFIX + "*")):
                if path.is_dir() and not path.is_symlink():
                    yield Folder(path, f"{base}/{path.name}")


def find(process: Process) -> list[Folder]:
    """Return the folders of sessions that measure `process`, or have measured it."""
    found = []
    for folder in folders_in(process.root):
        facts = folder.facts
        # `start.py`, in the target, cannot know by which PID we know it.
        same_pid = facts.get("pid") in (process.pid, process.inner_pid)
        same = same_pid and facts.get("start_time") == process.start_time
        # A worker that has changed its user since it was born has a folder of its first one's.
        if same and (folder.belongs_to(process.uid) or folder.belongs_to(0)):
            found.append(folder)
    return found


def find_ended(pid: int) -> Folder | None:
    """Return the newest folder of a session whose process `pid` has ended, or None.

    Only one that belongs to us is believed; root believes what anybody says of his own.
    """
    found = [
        folder
        for folder in folders_in(Path("/"))
        if folder.facts.get("pid") == pid and (os.geteuid() == 0 or folder.belongs_to(os.geteuid()))
    ]
    return max(found, key=lambda folder: str(folder.facts.get("created")), default=None)
