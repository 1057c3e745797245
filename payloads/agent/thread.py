"""The agent's one thread: of which `threading` does not know, and which is gone while we fork."""

from __future__ import annotations

import os
import time
from _thread import get_native_id
from typing import Any

from ..processes import after_fork

GONE = -1
LEAVING = 1.0  # seconds that a fork waits for the thread to be gone


class Thread:
    """Runs `serve` in a thread, which ends for a fork when `leaves` tells it so.

    `start_thread` calls a function in a thread that gets no signals; `unpatched` returns functions
    as they were before gevent or eventlet replaced them.  `fail` is called with the reason where
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
        self.away = self.owed = False

    def start(self) -> None:
        """Start it."""
        self.native_id = 0
        self.start_thread(self.serve)

    def note_own(self) -> None:
        """Note that it is the calling thread."""
        self.native_id = get_native_id()

    def is_there(self) -> bool:
        """Tell whether it is there, or is about to be."""
        return not self.native_id or (self.native_id != GONE and is_there(self.native_id))

    def end_for_fork(self, send_away: Any) -> None:
        """Have it end, so that the process can fork; called by the thread that forks.

        `send_away` tells it.  It is not waited for for long: it may be busy, and then the fork goes
        on.
        """
        with self.turn:
            self.forking.add(get_native_id())
        send_away()
        until = time.monotonic() + LEAVING
        while self.is_there() and time.monotonic() < until:
            self.sleep(0.0002)

    def leaves(self) -> bool:
        """Tell the thread, when it is sent away, whether it is still wanted gone."""
        with self.turn:
            self.away = bool(self.forking)
        return self.away

    def restart(self, forking: Any, tool: int | None) -> None:
        """Start it again after the fork, in the parent; the arguments are those of `after_fork`.

        Not while another thread forks, which waits for its end: the last one does it.  Who forks is
        known by the thread, and not counted: of a fork that had begun before there was a session,
        or that ends after it, only one half comes here.
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
        """Start it if a start is owed; a child owes none, even if its parent did when it forked."""
        owed, self.owed = self.owed, False
        if owed:
            try:
                self.start()
            except Exception as error:
                self.native_id = GONE
                self.fail(error)

    def discard(self) -> None:
        """Refer no more to who refers to this."""
        self.serve = self.fail = tuple


def is_there(thread: int) -> bool:
    """Tell whether there is a thread with this id (gettid(2))."""
    return os.path.exists(f"/proc/self/task/{thread}")
