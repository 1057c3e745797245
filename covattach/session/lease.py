"""A lease: work begun for us goes on as long as we live, and then ends by itself.

It is a FIFO in the session's folder that we hold open for writing.  The kernel closes it whatever
we die of, and the agent waits for just that (payloads/agent/record_verbs.py).
"""

from __future__ import annotations

import os

from covattach.payloads.session_files import LEASE
from covattach.session.folder import SessionFolder


class Lease:
    """Held from `hold` to `close`, or to our end."""

    def __init__(self) -> None:
        self.descriptor = -1

    def hold(self, folder: SessionFolder, name: str = LEASE) -> None:
        """Make the FIFO `name`, and hold it; raises OSError.

        The name LEASE is that of a whole session, and must be there before the agent is.
        """
        with folder.opened() as inside:
            os.mkfifo(name, 0o600, dir_fd=inside)
            # For reading too: this does not wait for the other end (fifo(7)).
            kind = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            self.descriptor = os.open(name, kind, dir_fd=inside)

    def close(self) -> None:
        """Let go; does nothing the second time."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
