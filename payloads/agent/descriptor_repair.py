"""Reopens descriptors of ours that the application has closed, once it has reopened its own.

A daemon closes everything and then opens /dev/null three times, to have it as descriptors 0 to 2.
A file that another thread opens just then takes one of these numbers.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ..interpreter import descriptors

SETTLING = 0.05  # seconds in which a forked child mostly calls exec, and a daemon reopens 0 to 2
STANDARD = 1.0  # seconds to wait instead while one of the descriptors 0 to 2 is missing


class DescriptorRepair:
    """Reopens the descriptors that `agent` has lost; `is_due` tells when it is time for that."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.since = 0.0  # when the loss was noticed, or a repair failed last
        self.streams = present()  # those of descriptors 0 to 2 that were open at first

    def note(self) -> None:
        """Note the time of a loss, and stop catching SIGTERM: the agent could not hear of it."""
        if not self.since:
            self.since = time.monotonic()
        self.agent.sigterm.restore_default()

    def is_due(self) -> bool:
        """Tell whether the application has had time to open its own descriptors."""
        return self.has_settled(self.since)

    def has_settled(self, since: float) -> bool:
        """Tell whether a process that began to become a daemon at `since` has had time to finish.

        `since` is by the monotonic clock.  The time is SETTLING seconds, or up to STANDARD while
        one of the descriptors 0 to 2 is missing.
        """
        waited = time.monotonic() - since
        return waited >= SETTLING and (waited >= STANDARD or present() >= self.streams)

    def make(self) -> None:
        """Reopen the lost descriptors; if that fails for now, it is due again after a while.

        Raises FileNotFoundError, PermissionError: then no client could connect any more.
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
    """Return those of the file descriptors 0 to 2 that are open."""
    found = []
    for number in range(descriptors.STANDARD):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return frozenset(found)
