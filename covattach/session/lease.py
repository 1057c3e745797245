"""A lease: a session or recording that we began ends by itself when our process ends.

It is a FIFO in the session folder that we hold open for writing.  The kernel closes it whatever we
die of, and the agent waits for that (payloads/agent/record_verbs.py).
"""

from __future__ import annotations

import os

from covattach.payloads.session_files import LEASE
from covattach.session.folder import SessionFolder


class Lease:
    """A FIFO that is held open from `hold` until `close`, or until our process ends."""

    def __init__(self) -> None:
        self.descriptor = -1

    def hold(self, folder: SessionFolder, name: str = LEASE) -> None:
        """Make the FIFO `name` in the session folder, and open it; raises OSError.

        The default name is for the lease of a whole session, which must exist before its agent
        does.
        """
        with folder.opened() as inside:
            os.mkfifo(name, 0o600, dir_fd=inside)
            # For reading too: this does not wait for the other end (fifo(7)).
            kind = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
            self.descriptor = os.open(name, kind, dir_fd=inside)

    def close(self) -> None:
        """Close the FIFO, so that the agent ends the work; a second call does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
