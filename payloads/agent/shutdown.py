"""The closing of a session: every step is taken, even where others fail, and faults are told."""

from __future__ import annotations

import os
from typing import Any

from .. import session_files
from ..errors import do_all
from . import error_reply


class Closing:
    """Takes away all that `agent` has put into the process."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def tell_fault(self, error: BaseException) -> None:
        """Leave a traceback in the session's folder, for want of anybody who listens."""
        agent, place = self.agent, self.agent.place
        agent.keeps_folder = True
        # One that is not made yet would be beside that of the tree.
        name = session_files.FAULT if place.is_made else session_files.fault_of(os.getpid())
        error_reply.write(f"{place.path}/{name}", error, agent.payloads)

    def end(self, fault: BaseException | None) -> None:
        """End the session, by steps each of which is taken even where others fail.

        A `fault` that ends it is told, and so are those of the steps.  Its folder goes too, unless
        something in it is still to be read.
        """
        agent, place, tree = self.agent, self.agent.place, self.agent.session.tree
        if fault is not None:
            self.tell_fault(fault)  # also where one of the steps does not return
        let_fork = agent.forks.close()
        try:
            do_all(*self.steps(has_failed=fault is not None))
        except BaseException as error:
            self.tell_fault(error if fault is None else error_reply.both(fault, error))
        finally:
            let_fork()
        is_trees = tree is not None and tree.folder == place.path
        if place.is_made and not (is_trees or agent.keeps_folder or agent.session.has_saved):
            place.remove()

    def steps(self, has_failed: bool) -> list[Any]:
        """Return the steps that end the session; after all of them, nothing is left."""
        agent = self.agent
        return [
            self.forget_forks,
            *([agent.session.save_last] if has_failed else []),
            agent.master.end,
            agent.tracing.end,
            agent.tracing.close,
            agent.sigterm.give_back,
            agent.recording.give_back,
            agent.door.close,
            agent.calm_down,
            agent.session.end,
            agent.door.calm,
            self.part,
        ]

    def forget_forks(self) -> None:
        """Have forks not care for us any more."""
        if self.agent.forks.agent is self.agent.forking:
            self.agent.forks.agent = None

    def part(self) -> None:
        """Take reference cycles apart, which would wait for the garbage collector."""
        agent = self.agent
        agent.session.verbs.clear()
        agent.thread.forget()
        agent.forking = agent.repair = agent.closing = None
