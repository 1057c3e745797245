"""The agent at a fork: it is gone meanwhile, and back in each process that is measured.

`fork_hooks` calls this in the thread that forks, where Python would print any exception.
"""

from __future__ import annotations

import os
import time
from typing import Any

from .. import session_files
from ..agent.session_folder import place_in_tree
from ..errors import do_all
from ..processes import uwsgi
from ..server import listener
from . import error_reply

SETTLING = 0.05  # seconds after which a child that has not become another program stays itself


class Forking:
    """Sends the thread of `agent` away and calls it back; or has it serve on in the child."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def rest(self) -> None:
        """Have the agent's thread end, so that the process can fork."""
        agent = self.agent
        try:
            agent.sigterm.let()  # it would come to us, who are to be gone, and from the child too
            agent.thread.rest(agent.door.bell.ring)
        except Exception as error:
            agent.closing.tell_fault(error)

    def resume(self, forking: Any) -> None:
        """Serve on in a new thread, after the fork, in the parent; `forking` is its frame.

        It has none in uWSGI's master: what called that does not go on.
        """
        agent = self.agent
        try:
            agent.sigterm.catch()
            frame = None if uwsgi.is_master() else forking
            agent.thread.resume(frame, agent.session.tool())
        except Exception as error:
            agent.end(error)

    def goes_on_in_child(self) -> bool:
        """Go on in a child that was forked, or leave no trace in it; tell whether it goes on.

        Called in the child's only thread, before the fork returns there.
        """
        agent, goes_on = self.agent, False
        try:
            do_all(
                agent.tracing.close,
                agent.tracing.end,
                lambda: agent.door.close(at_once=True),
                agent.door.calm,
                agent.sigterm.give_back,
            )
            goes_on = agent.session.goes_on_in_child()
            if goes_on:
                self.go_on()
        except Exception as error:
            goes_on = False
            self.tell_fault(error)
        if not goes_on:
            self.leave()
        return goes_on

    def go_on(self) -> None:
        """Measure on in the child, with a folder and a thread of its own."""
        agent, of = self.agent, self.agent.session.tree
        agent.recording.end_in_child()
        agent.thread.begin_anew()
        agent.keeps_folder = False
        agent.place = place_in_tree(of.folder, of.key, agent.original)
        agent.session.go_on(agent.place, agent.original("_thread", "RLock")())
        self.settle()

    def leave(self) -> None:
        """Leave the child, by steps each of which is taken even where others fail."""
        agent = self.agent
        try:
            do_all(agent.session.leave_child, agent.master.end, agent.calm_down)
        except Exception as error:
            self.tell_fault(error)

    def tell_fault(self, error: BaseException) -> None:
        """Tell the tree of a fault in the child; the folder of a session alone is its parent's."""
        if self.agent.session.tree is not None:
            path = f"{self.agent.session.tree.folder}/{session_files.fault_of(os.getpid())}"
            error_reply.write(path, error, self.agent.payloads)

    def settle(self) -> None:
        """Have a thread that serves, and opens the door unless we become another program first."""
        agent = self.agent
        agent.door = listener.Door(agent.original("select", "poll"))
        if agent.sigterm.receiver is not None or agent.sigterm.take():
            agent.door.receiver = agent.sigterm.receiver
        agent.recording.door = agent.tracing.door = agent.door
        agent.opens = time.monotonic() + SETTLING
        agent.thread.start()
