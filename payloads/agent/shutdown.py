"""The shutdown of a session: every step is taken, even where others raise."""

from __future__ import annotations

import os
from typing import Any

from .. import session_files
from ..errors import do_all
from . import error_reply


class Shutdown:
    """Takes away all that `agent` has put into the process."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def tell_fault(self, error: BaseException) -> None:
        """Write the traceback of `error` to the session's folder, as no client waits for it."""
        agent, folder = self.agent, self.agent.folder
        agent.keeps_folder = True
        # While a folder is still to be made, its path is that of the tree's folder.
        name = session_files.FAULT if folder.is_made else session_files.fault_of(os.getpid())
        error_reply.write(f"{folder.path}/{name}", error, agent.payloads)

    def run(self, fault: BaseException | None) -> None:
        """End the session; every step is taken, even where others raise.

        `fault` is the exception that ends it, or None.  Its traceback is written to the session's
        folder, and so are those of the steps.  Then the folder is removed, unless something in it
        is to be read.
        """
        agent, folder, tree = self.agent, self.agent.folder, self.agent.session.tree
        if fault is not None:
            self.tell_fault(fault)  # also where one of the steps does not return
        let_fork = agent.forks.close()
        try:
            do_all(*self.steps(has_failed=fault is not None))
        except BaseException as error:
            self.tell_fault(error if fault is None else error_reply.both(fault, error))
        finally:
            let_fork()
        is_trees = tree is not None and tree.folder == folder.path
        if folder.is_made and not (is_trees or agent.keeps_folder or agent.session.has_saved):
            folder.remove()

    def steps(self, has_failed: bool) -> list[Any]:
        """Return the functions that end the session, in order; `has_failed` adds a last save."""
        agent = self.agent
        return [
            self.uninstall_fork_hooks,
            *([agent.session.save_last] if has_failed else []),
            agent.master.uninstall,
            agent.tracing.stop,
            agent.tracing.close,
            agent.sigterm.uninstall,
            agent.recording.stop,
            agent.listener.close,
            agent.calm_down,
            agent.session.stop_measuring,
            agent.listener.calm,
            self.discard_cycles,
        ]

    def uninstall_fork_hooks(self) -> None:
        """Detach the agent from the fork hooks, unless another agent is attached."""
        if self.agent.forks.agent is self.agent.at_fork:
            self.agent.forks.agent = None

    def discard_cycles(self) -> None:
        """Take reference cycles apart, which would wait for the garbage collector."""
        agent = self.agent
        agent.session.verbs.clear()
        agent.thread.discard()
        agent.at_fork = agent.repair = agent.shutdown = None
