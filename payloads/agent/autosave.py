"""The end of the target: a last snapshot in the session's folder."""

from __future__ import annotations

import atexit
import os
from typing import Any

from .. import session_files
from ..interpreter import descriptors, json_text

PATIENCE = 5.0  # seconds for another save to be done


class Autosave:
    """Saves, when the process ends too, into the session's `folder`.

    `turn` is a lock of the kind that a thread can take again: a signal handler of the application's
    may end the process in the middle of a save, while the agent's thread is at one too.
    """

    def __init__(self, take: Any, folder: Any, turn: Any) -> None:
        self.take = take
        self.folder = folder
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""
        self.then: Any = tuple  # what is to be done after the last save, at exit
        self.stop: Any = tuple  # what ends the measuring

    def at_exit(self) -> None:
        """Save, see whether the process is to end in another way than by its exit, and stop.

        The interpreter takes itself apart now, with the modules that ours relies on: what raises in
        the `__del__` of an object has that lost.
        """
        self.save()
        if os.getpid() == self.pid:
            self.then()
            self.stop()
            self.folder.shrink()

    def save(self) -> None:
        """Write a snapshot; a fault is kept for the user, the application never sees it."""
        if os.getpid() != self.pid:
            return  # a forked child has inherited this, but not the session
        # Whoever has the turn for longer waits for a disk; the end must not wait for that.
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
        """Write a snapshot so that a reader finds the one before or this one, whole.

        It outlives the process, however that ends.  It need not outlive the machine, which takes
        the process along: so nobody waits for the disk here (no fsync).
        """
        header, blob = self.take()
        beside = f"{path}.{number}"  # no two saves write to one file
        try:
            descriptors.write(beside, [json_text.dumps(header).encode() + b"\n", *blob])
            if number == self.begun:  # otherwise one that was begun later has been made
                os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)

    def after_fork_in_child(self, folder: Any, turn: Any) -> None:
        """Save for a child that was forked, to a folder of its own; called in its only thread."""
        self.folder = folder
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""

    def install(self) -> None:
        """Save at the end from now on."""
        atexit.register(self.at_exit)

    def uninstall(self) -> None:
        """Undo `install`; does nothing the second time."""
        atexit.unregister(self.at_exit)
