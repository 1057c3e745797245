"""Waiting for agents that open their doors again, which their targets have closed.

A target that becomes a daemon closes all descriptors, those of its agent too; see
payloads/agent/descriptor_repair.py.  A folder whose socket nobody listens at may also be a lie: so
all of them together are waited for only so long.
"""

from __future__ import annotations

import time

from covattach.session.folder import SessionFolder

PATIENCE = 2.5  # seconds for one agent
TOTAL = 5.0  # seconds for all, in a while
WHILE = 60.0  # seconds
PAUSE = 0.02  # seconds between two tries


class Repairs:
    """How long agents have been waited for, all in all."""

    def __init__(self) -> None:
        self.since = 0.0
        self.spent = 0.0

    def is_likely(self, folder: SessionFolder, began: float, deadline: float) -> bool:
        """Wait a little; return whether it is worth it to ask once more.

        `began` is when it was first asked, `deadline` when it is too late: `time.monotonic`.
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
