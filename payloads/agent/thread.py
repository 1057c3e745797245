"""The agent's thread: `threading` does not know of it, and it ends before each fork."""

from __future__ import annotations

import os
import time
from _thread import get_native_id
from typing import Any

from ..processes import after_fork

GONE = -1  # in place of a thread's id: it could not be started
LEAVING = 1.0  # seconds that a fork waits for the thread to end


class Thread:
    """Runs `serve` in a thread; that ends for a fork when `leaves` returns True.

    `start_thread` calls a function in a thread that gets no signals; `unpatched` returns functions
    as they were before gevent or eventlet replaced them.  `fail` is called with the exception if
    the thread cannot be started again.
    """

    def __init__(self, serve: Any, start_thread: Any, unpatched: Any, fail: Any) -> None:
        self.serve = serve
        self.fail = fail
        self.start_thread = start_thread
        self.sleep = unpatched("time", "sleep")  # gevent's would run other greenlets in a fork
        self.new_lock = unpatched("_thread", "allocate_lock")
        self.native_id = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Reset the state, for a process that has no thread yet."""
        self.turn = self.new_lock()
        self.forking: set[int] = set()  # threads that are about to fork, or have just done so
        self.away = self.owed = False  # it has ended for a fork; it is to be started again

    def start(self) -> None:
        """Start the agent's thread."""
        self.native_id = 0
        self.start_thread(self.serve)

    def note_own(self) -> None:
        """Note the id of the calling thread as the agent's."""
        self.native_id = get_native_id()

    def is_there(self) -> bool:
        """Tell whether the agent's thread exists, or is about to."""
        return not self.native_id or (self.native_id != GONE and is_there(self.native_id))

    def end_for_fork(self, send_away: Any) -> None:
        """End the agent's thread, so that the process can fork; called by the thread that forks.

        `send_away` wakes the agent's thread, which then asks `leaves`.  If that is busy for longer
        than LEAVING seconds, the fork goes on without waiting for it.
        """
        with self.turn:
            self.forking.add(get_native_id())
        send_away()
        until = time.monotonic() + LEAVING
        while self.is_there() and time.monotonic() < until:
            self.sleep(0.0002)

    def leaves(self) -> bool:
        """Tell whether the agent's thread has to end for a fork; it asks once it was woken."""
        with self.turn:
            self.away = bool(self.forking)
        return self.away

    def restart(self, forking: Any, tool: int | None) -> None:
        """Start the agent's thread again in the parent; the arguments are those of `after_fork`.

        While another thread forks, and waits for the agent's to end, that is left to the last one.
        Threads that fork are noted by their id, and not counted.  For a fork may have begun before
        the session, or end after it: then only one half comes here.
        """
        with self.turn:
            self.forking.discard(get_native_id())
            self.forking = {one for one in self.forking if is_there(one)}
            gone = self.away and not self.forking
            if gone:
                self.away = False
                self.native_id = 0  # whoever is about to fork now waits for it
        if gone:
            self.owed = True
            after_fork.after_fork(self.start_if_owed, forking, tool)

    def start_if_owed(self) -> None:
        """Start the agent's thread if `restart` has left that to be done, but not in a child."""
        owed, self.owed = self.owed, False
        if owed:
            try:
                self.start()
            except Exception as error:
                self.native_id = GONE
                self.fail(error)

    def discard(self) -> None:
        """Drop the references to the agent's methods: they are part of a reference cycle."""
        self.serve = self.fail = tuple


def is_there(thread: int) -> bool:
    """Tell whether there is a thread with this id (gettid(2))."""
    return os.path.exists(f"/proc/self/task/{thread}")
