"""The shutdown of a session: every step is taken, even where others fail, and faults are told."""

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
        """Leave a traceback in the session's folder, for want of anybody who listens."""
        agent, folder = self.agent, self.agent.folder
        agent.keeps_folder = True
        # One that is not made yet would be beside that of the tree.
        name = session_files.FAULT if folder.is_made else session_files.fault_of(os.getpid())
        error_reply.write(f"{folder.path}/{name}", error, agent.payloads)

    def run(self, fault: BaseException | None) -> None:
        """End the session, by steps each of which is taken even where others fail.

        A `fault` that ends it is told, and so are those of the steps.  Its folder goes too, unless
        something in it is still to be read.
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
        """Return the steps that end the session; after all of them, nothing is left."""
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
        """Have forks not care for us any more."""
        if self.agent.forks.agent is self.agent.at_fork:
            self.agent.forks.agent = None

    def discard_cycles(self) -> None:
        """Take reference cycles apart, which would wait for the garbage collector."""
        agent = self.agent
        agent.session.verbs.clear()
        agent.thread.discard()
        agent.at_fork = agent.repair = agent.shutdown = None
