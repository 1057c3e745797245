"""Waiting for agents that will listen again, after their targets have closed their sockets.

A target that becomes a daemon closes all descriptors, those of its agent too, and these are opened
again (payloads/agent/descriptor_repair.py).  But a folder whose socket has no listener may also be
a lie.  So the time for all of them together is limited.
"""

from __future__ import annotations

import time

from covattach.session.folder import SessionFolder

PATIENCE = 2.5  # seconds for one agent
TOTAL = 5.0  # seconds for all agents together, in a period of WHILE
WHILE = 60.0  # seconds
PAUSE = 0.02  # seconds between two tries


class Repairs:
    """Counts the seconds spent waiting for agents in the present period, which began at `since`."""

    def __init__(self) -> None:
        self.since = 0.0
        self.spent = 0.0

    def is_likely(self, folder: SessionFolder, began: float, deadline: float) -> bool:
        """Sleep for PAUSE seconds, and return whether to ask the agent of `folder` once more.

        Returns False at once where it is too late, or the process has ended.  `began` is when it
        was first asked, and `deadline` when it is too late, both of `time.monotonic`.
        """
        now = time.monotonic()
        if now > self.since + WHILE:
            self.since, self.spent = now, 0.0
        if now > min(deadline, began + PATIENCE) or self.spent > TOTAL:
            return False
        if not folder.has_living_process():
            return False
        time.sleep(PAUSE)
        self.spent += time.monotonic() - now
        return True


REPAIRS = Repairs()
