"""The agent at a fork: its thread ends before, and starts again in each process that is measured.

`fork_hooks` calls this in the thread that forks, where Python would print any exception.
"""

from __future__ import annotations

import os
import time
from typing import Any

from .. import session_files
from ..agent.session_folder import folder_in_tree
from ..errors import do_all
from ..processes import uwsgi
from ..server import listener
from . import error_reply
from .descriptor_repair import SETTLING


class AtFork:
    """Ends the thread of `agent` before a fork; restarts it in the parent and a measured child."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def before_fork(self) -> None:
        """Have the agent's thread end, so that the process can fork."""
        agent = self.agent
        try:
            agent.sigterm.restore_default()  # the child's handler would report to our socket too
            agent.thread.end_for_fork(agent.listener.wakeup.wake)
        except Exception as error:
            agent.shutdown.tell_fault(error)

    def after_fork_in_parent(self, forking: Any) -> None:
        """Start the agent's thread again in the parent; `forking` is the frame that has forked.

        uWSGI's master forks in C: there the frame is not used, as it does not go on.
        """
        agent = self.agent
        try:
            agent.sigterm.catch()
            frame = None if uwsgi.is_master() else forking
            agent.thread.restart(frame, agent.session.tool())
        except Exception as error:
            agent.stop(error)

    def after_fork_in_child(self) -> bool:
        """Go on in a child that was forked, or leave no trace in it; tell whether it goes on.

        Called in the child's only thread, before the fork returns there.
        """
        agent, goes_on = self.agent, False
        try:
            do_all(
                agent.tracing.close,
                agent.tracing.stop,
                lambda: agent.listener.close(at_once=True),
                agent.listener.calm,
                agent.sigterm.uninstall,
            )
            goes_on = agent.session.follows_forks()
            if goes_on:
                self.measure_child()
        except Exception as error:
            goes_on = False
            self.tell_fault(error)
        if not goes_on:
            self.stop_in_child()
        return goes_on

    def measure_child(self) -> None:
        """Go on measuring in the child, with a folder and a thread of its own."""
        agent, of = self.agent, self.agent.session.tree
        agent.recording.discard_in_child()
        agent.thread.begin_anew()
        agent.keeps_folder = False
        agent.folder = folder_in_tree(of.folder, of.key, agent.unpatched)
        agent.session.after_fork_in_child(agent.folder, agent.unpatched("_thread", "RLock")())
        self.start_serving()

    def stop_in_child(self) -> None:
        """Undo everything in the child; every step is taken, even where others raise."""
        agent = self.agent
        try:
            do_all(agent.session.stop_in_child, agent.master.uninstall, agent.calm_down)
        except Exception as error:
            self.tell_fault(error)

    def tell_fault(self, error: BaseException) -> None:
        """Write the traceback of `error` to the tree's folder, for the child's PID.

        Without a tree it is not written: the session's folder is the parent's.
        """
        if self.agent.session.tree is not None:
            path = f"{self.agent.session.tree.folder}/{session_files.fault_of(os.getpid())}"
            error_reply.write(path, error, self.agent.payloads)

    def start_serving(self) -> None:
        """Start the agent's thread in this process; it opens the socket after SETTLING seconds.

        A process that becomes another program before that has no use for a socket.
        """
        agent = self.agent
        agent.listener = listener.Listener(agent.unpatched("select", "poll"))
        if agent.sigterm.receiver is not None or agent.sigterm.install():
            agent.listener.receiver = agent.sigterm.receiver
        agent.recording.listener = agent.tracing.listener = agent.listener
        agent.born = time.monotonic()
        agent.opens = agent.born + SETTLING
        agent.thread.start()
