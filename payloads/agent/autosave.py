"""Snapshots that are saved in the session's folder: at intervals, and at the end of the target."""

from __future__ import annotations

import atexit
import os
from typing import Any

from .. import session_files
from ..interpreter import descriptors, json_text

PATIENCE = 5.0  # seconds to wait for a save in another thread


class Autosave:
    """Saves snapshots in the session's `folder`, the last one when the process ends.

    `take` returns a snapshot as header and blob.  `turn` is a reentrant lock: the application's
    signal handler may end the process during a save, while the agent's thread saves too.
    """

    def __init__(self, take: Any, folder: Any, turn: Any) -> None:
        self.take = take
        self.folder = folder
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""
        self.then: Any = tuple  # called after the last save, at exit
        self.stop: Any = tuple  # called after that, to stop measuring

    def at_exit(self) -> None:
        """Save for the last time, end by SIGTERM if that was received, and stop measuring.

        The interpreter is about to remove the modules that measuring relies on.  Then measuring
        would raise in the `__del__` of an object, and end that early.
        """
        self.save()
        if os.getpid() == self.pid:
            self.then()
            self.stop()
            self.folder.shrink()

    def save(self) -> None:
        """Save a snapshot; an exception is not raised but kept in `fault`, as text for the user."""
        if os.getpid() != self.pid:
            return  # a forked child has inherited this, but not the session
        # A thread that holds the lock for longer waits for a disk; the exit must not wait for that.
        has_turn = self.turn.acquire(timeout=PATIENCE)
        try:
            self.begun += 1
            number = self.begun
            self.folder.within(
                lambda folder: self.write(f"{folder}/{session_files.SNAPSHOT}", number)
            )
            self.fault = ""
        except Exception as error:
            self.fault = f"the snapshot could not be saved: {error!r}"
        finally:
            if has_turn:
                self.turn.release()

    def write(self, path: str, number: int) -> None:
        """Write a snapshot to `path` atomically: readers find the one before or this one.

        `number` counts saves, so that a later one is not overwritten.  There is no fsync: the file
        need not survive a crash of the machine, only the end of the process.
        """
        header, blob = self.take()
        beside = f"{path}.{number}"  # no two saves write to one file
        try:
            descriptors.write(beside, [json_text.dumps(header).encode() + b"\n", *blob])
            if number == self.begun:  # otherwise a later save has been written
                os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)

    def after_fork_in_child(self, folder: Any, turn: Any) -> None:
        """Save in a forked child's own folder, with its own lock; called in its only thread."""
        self.folder = folder
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""

    def install(self) -> None:
        """Register the last save with `atexit`."""
        atexit.register(self.at_exit)

    def uninstall(self) -> None:
        """Undo `install`; does nothing the second time."""
        atexit.unregister(self.at_exit)
