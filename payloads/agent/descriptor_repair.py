"""The repair: descriptors that the application has closed are reopened, after its own.

A daemon closes everything and then opens /dev/null three times, to have it as 0, 1 and 2.  A file
that somebody else opens just then takes one of these places.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ..interpreter import descriptors

SETTLING = 0.05  # seconds after which a child has its program, and a daemon its streams
STANDARD = 1.0  # seconds that it is waited for longer, where 0, 1 or 2 is not there any more


class DescriptorRepair:
    """Reopens the descriptors that `agent` has lost; `is_due` tells when it is time for that."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.since = 0.0  # when the loss was noticed, or was last tried to be made good
        self.streams = present()

    def note(self) -> None:
        """Note a loss; SIGTERM is left to the default, since nobody would hear of it."""
        if not self.since:
            self.since = time.monotonic()
        self.agent.sigterm.release()

    def is_due(self) -> bool:
        """Tell whether the application has had time to open its own."""
        return self.has_settled(self.since)

    def has_settled(self, since: float) -> bool:
        """Tell whether a process that may have become a daemon at that time has its streams."""
        waited = time.monotonic() - since
        return waited >= SETTLING and (waited >= STANDARD or present() >= self.streams)

    def make(self) -> None:
        """Reopen everything; if that fails for now, it is tried once more after a while.

        Raises FileNotFoundError, PermissionError: nobody could come in any more.
        """
        agent, listener = self.agent, self.agent.listener
        try:
            listener.renew()
            if listener.receiver is not None:
                agent.sigterm.renew()
                listener.receiver = agent.sigterm.receiver
            if listener.socket is not None and not listener.socket.is_ours():
                agent.open()
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            self.since = time.monotonic()
        else:
            self.since = 0.0


def present() -> frozenset[int]:
    """Return which of the places of a program's own streams are taken."""
    found = []
    for number in range(descriptors.STANDARD):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return frozenset(found)
