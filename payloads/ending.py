"""The end of the target: a last snapshot in the session's folder, on exit and on SIGTERM."""

from __future__ import annotations

import atexit
import json
import os
from typing import Any

from . import native

PATIENCE = 5.0  # seconds for another save to be done

# For Python 3.9, whose `interrupt_main` knows only SIGINT.  Executed in the target's
# `__main__`, so it leaves no name there; and nothing may come out of it.
GIVE_BACK = b"""\
try: (lambda s: hasattr(s.getsignal(s.SIGTERM), "saves") and s.signal(s.SIGTERM, s.SIG_DFL))(
    __import__("_signal"))
except BaseException: pass
"""


class LastSave:
    """Saves, when the process ends too; `handler` is the SIGTERM handler of `launch`, or None.

    `place` is the session's, into whose folder the snapshot goes.

    `turn` is a lock of the kind that a thread can take again: a signal handler saves in the middle
    of a save at exit, while the agent's thread may be at one too.
    """

    def __init__(self, take: Any, place: Any, handler: Any, turn: Any) -> None:
        self.take = take
        self.place = place
        self.handler = handler
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""

    def save(self) -> None:
        """Write a snapshot; a fault is kept for the user, the application never sees it."""
        if os.getpid() != self.pid:
            return  # a forked child has inherited this, but not the session
        # Whoever has the turn for longer waits for a disk; the end must not wait for that.
        has_turn = self.turn.acquire(timeout=PATIENCE)
        try:
            self.begun += 1
            number = self.begun
            self.place.within(lambda folder: self.write(folder + "/snapshot", number))
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
            with open(beside, "wb") as file:
                file.write(json.dumps(header).encode() + b"\n")
                file.write(blob)
            if number == self.begun:  # otherwise one that was begun later has been made
                os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.unlink(beside)

    def go_on(self, place: Any, turn: Any) -> None:
        """Save for a child that was forked, to a place of its own; called in its only thread."""
        self.place = place
        self.turn = turn
        self.pid = os.getpid()
        self.begun = 0
        self.fault = ""

    def arm(self) -> None:
        """Save at the end from now on."""
        atexit.register(self.save)
        if self.handler is not None:
            self.handler.saves.append(self.save)

    def disarm(self) -> None:
        """Undo `arm`, and give SIGTERM back; does nothing the second time."""
        atexit.unregister(self.save)
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.saves.clear()
            give_sigterm_back(handler)


def give_sigterm_back(handler: Any) -> None:
    """Make SIGTERM what it was, see `launch.give_sigterm_back`, on Python 3.9 too.

    There the main thread has to be asked by a pending call (Py_AddPendingCall, Python/ceval.c).
    """
    if handler.give_back(handler):
        return
    try:
        pending = native.function("Py_AddPendingCall", "i", "PP")
        run = native.address("PyRun_SimpleString")
    except native.NoNativeCalls:
        return  # the table goes on naming a handler that the kernel does not call
    # Until the main thread has run it, the table holds the handler, and the handler the text.
    handler.text = native.text(GIVE_BACK)
    pending(run, native.where(handler.text))
