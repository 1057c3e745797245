"""The hooks called at forks: the agent's thread ends before each fork, and starts again after it.

A fork copies only the thread that forks.  Locks that other threads hold stay locked in the child
for ever.  From 3.12 on Python warns at a fork in a process with more than one thread, which under
`-W error` is an error.  So the agent must not be the reason for either.

`os.register_at_fork` cannot be undone.  The hooks stay, inert between sessions, and the next
session finds them in the codec registry, where `coverage_package` keeps its modules too.  They may
be registered, and an agent may come and go, in the middle of a fork.  Then only its second half is
ours, or only the first.  So each half looks up the thread that forks, and works without the other.

launch.py executes this, once in a process: a class that each session made would be garbage.
"""

from __future__ import annotations

import codecs
import os
import sys
from time import sleep  # unpatched: gevent's would run other greenlets in a fork

TYPE_CHECKING = False  # as in `typing`, which is not imported: not in the application's time
if TYPE_CHECKING:
    from typing import Any

ARRIVING = 1.0  # seconds that a fork waits for our thread to be ready for forks
PASSING = 0.001  # seconds between two looks for forks that have begun without waiting


class ForkHooks:
    """The fork hooks of a process; `agent` is the session's AtFork, or None between sessions.

    `new_lock` and `ident` are `allocate_lock` and `get_native_id` of `_thread`, unpatched.
    """

    def __init__(self, new_lock: Any, ident: Any) -> None:
        self.new_lock = new_lock
        self.ident = ident
        self.agent: Any = None
        self.lock: Any = None  # held while forks have to wait: a session begins, or ends
        self.interval = 0.0
        self.leaving = 0  # the thread that has ended a session, until it is known to be gone
        self.under_way: dict[int, Any] = {}  # by id of a thread that forks: the AtFork it has told
        self.waiting: set[int] = set()  # ids of threads that wait for the lock, to fork
        self.postponed: dict[int, Any] = {}  # by id of a thread: what to call after its fork

    def register(self, name: str) -> None:
        """Register the hooks with Python, and this object as `name` in the codec registry."""
        codecs.register_error(name, self)
        os.register_at_fork(
            before=self.before,
            after_in_parent=self.in_parent,
            after_in_child=self.in_child,
        )

    def begin(self, start: Any) -> None:
        """Make forks wait until `end`, and call `start`, which starts the agent's thread.

        A child that is forked in the middle of an import would wait for ever when it imports the
        same.  If this thread is about to fork itself, in a hook of the application's, `start` is
        called after that.
        """
        self.interval = sys.getswitchinterval()
        self.lock = self.new_lock()
        self.lock.acquire()
        if self.ident() in self.under_way:
            self.postponed[self.ident()] = start
        else:
            start()

    def let_pass(self, sleep: Any) -> None:
        """Wait, in the agent's thread, for forks that began before they were told to wait.

        Not for longer than ARRIVING: one may never have ended.  That is counted in calls of
        `sleep`, not by a clock, which may stand still.
        """
        for _ in range(int(ARRIVING / PASSING)):
            if self.waiting.issuperset(list(self.under_way)):
                return
            sleep(PASSING)

    def end(self) -> None:
        """Let waiting forks go on; does nothing the second time."""
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.release()

    def close(self) -> Any:
        """Have forks wait while this thread ends a session; return the function that lets them go.

        A child that is forked in between would inherit half a session, and no thread to end it.
        """
        self.leaving = self.ident()
        if self.lock is not None:
            return tuple  # they wait already
        self.interval = sys.getswitchinterval()
        self.lock = self.new_lock()
        self.lock.acquire()
        return self.end

    def await_leaving(self, own: int) -> None:
        """Wait until the thread that has ended a session is gone; called before a fork.

        `own` is the id of the calling thread, for which it does not wait.  It waits for ARRIVING
        seconds at most, as the id may be another thread's by now.
        """
        leaving, self.leaving = self.leaving, 0
        for _ in range(int(ARRIVING / PASSING) if leaving not in (0, own) else 0):
            if not os.path.exists(f"/proc/self/task/{leaving}"):
                return
            sleep(PASSING)

    def before(self) -> None:
        """Wait if forks have to, and end the agent's thread; called in the thread that forks.

        The agent's thread is gone when this returns, unless it is busy for too long.
        """
        own = self.ident()
        self.under_way[own] = None  # before it is looked whether to wait, see `let_pass`
        lock = self.lock
        if lock is not None:
            self.wait(lock, own)
        self.await_leaving(own)
        agent = self.under_way[own] = self.agent
        if agent is not None:
            agent.before_fork()

    def wait(self, lock: Any, own: int) -> None:
        """Wait until `lock` is free, at most ARRIVING seconds, in the thread with the id `own`."""
        self.waiting.add(own)
        try:
            if lock.acquire(True, ARRIVING):
                lock.release()
        finally:
            self.waiting.discard(own)

    def in_parent(self) -> None:
        """Restart the agent's thread, if this thread has ended it, or do a postponed start."""
        own = self.ident()
        agent = self.under_way.pop(own, None)
        if agent is not None:
            agent.after_fork_in_parent(sys._getframe().f_back)
        start = self.postponed.pop(own, None)
        if start is not None:
            start()

    def in_child(self) -> None:
        """Go on measuring in the child, if wanted, or leave it as if never attached to."""
        self.under_way.clear()
        self.waiting.clear()
        self.postponed.clear()
        if self.lock is not None:  # the agent's thread, which would do this, is not in the child
            self.lock = None
            sys.setswitchinterval(self.interval)
        if self.agent is not None and not self.agent.after_fork_in_child():
            self.agent = None

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        """Raise `error`: to the codec registry, this is an error handler."""
        raise error
