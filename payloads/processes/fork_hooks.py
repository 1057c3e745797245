"""Forks: the agent's thread is gone while the process forks, and back afterwards.

A fork copies only the thread that forks.  Locks that other threads hold stay locked in the child
for ever.  From 3.12 on Python warns at a fork in a process with more than one thread, which under
`-W error` is an error.  So the agent must not be the reason for either.

`os.register_at_fork` cannot be undone.  The hooks stay, inert between sessions, and the next
session finds them in the codec registry, where `coverage_package` keeps its modules too.  They may
be registered, and an agent may come and go, in the middle of a fork.  Then only its second half is
ours, or only the first.  So each half goes by the thread that forks, and does without the other.

Executed by launch.py, once in a process: a class that each session made would be garbage.
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
    """The fork hooks of a process; `agent` is None between sessions.

    `new_lock` and `ident` are those of `_thread`, unpatched.
    """

    def __init__(self, new_lock: Any, ident: Any) -> None:
        self.new_lock = new_lock
        self.ident = ident
        self.agent: Any = None
        self.lock: Any = None  # held while our thread brings its modules in
        self.interval = 0.0
        self.leaving = 0  # the thread that has ended a session, until it is known to be gone
        self.under_way: dict[int, Any] = {}  # the agent that each thread has sent away, to fork
        self.waiting: set[int] = set()
        self.postponed: dict[int, Any] = {}

    def register(self, name: str) -> None:
        """Be called at forks from now on, and found under this name."""
        codecs.register_error(name, self)
        os.register_at_fork(
            before=self.before,
            after_in_parent=self.in_parent,
            after_in_child=self.in_child,
        )

    def begin(self, start: Any) -> None:
        """Have forks wait from now on, and call `start`, which starts our thread.

        A child that is forked in the middle of an import would wait for ever when it imports the
        same.  This thread may be about to fork itself, in a hook of the application's: then it is
        started afterwards.
        """
        self.interval = sys.getswitchinterval()
        self.lock = self.new_lock()
        self.lock.acquire()
        if self.ident() in self.under_way:
            self.postponed[self.ident()] = start
        else:
            start()

    def let_pass(self, sleep: Any) -> None:
        """Wait, in our thread, for forks that had begun before they were told to wait.

        Not for long: one may never have ended.  And not by a clock, which may stand still.
        """
        for _ in range(int(ARRIVING / PASSING)):
            if self.waiting.issuperset(list(self.under_way)):
                return
            sleep(PASSING)

    def end(self) -> None:
        """Let those go that wait; does nothing the second time."""
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
        """Wait, in a thread that is about to fork, until the one that has ended a session is gone.

        Not for long, as its number may be another thread's by now.
        """
        leaving, self.leaving = self.leaving, 0
        for _ in range(int(ARRIVING / PASSING) if leaving not in (0, own) else 0):
            if not os.path.exists(f"/proc/self/task/{leaving}"):
                return
            sleep(PASSING)

    def before(self) -> None:
        """Wait, in the thread that is about to fork, and send the agent's thread away.

        It is gone when this returns.
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
        """Wait until our thread has arrived."""
        self.waiting.add(own)
        try:
            if lock.acquire(True, ARRIVING):
                lock.release()
        finally:
            self.waiting.discard(own)

    def in_parent(self) -> None:
        """Call the thread back that was sent away by this one."""
        own = self.ident()
        agent = self.under_way.pop(own, None)
        if agent is not None:
            agent.after_fork_in_parent(sys._getframe().f_back)
        start = self.postponed.pop(own, None)
        if start is not None:
            start()

    def in_child(self) -> None:
        """Measure the child too, if that is wanted, or leave it as if nothing had been attached."""
        self.under_way.clear()
        self.waiting.clear()
        self.postponed.clear()
        if self.lock is not None:  # it was forked too early: our thread is not there to do this
            self.lock = None
            sys.setswitchinterval(self.interval)
        if self.agent is not None and not self.agent.after_fork_in_child():
            self.agent = None

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        """Raise `error`: to the codec registry, this is an error handler."""
        raise error
