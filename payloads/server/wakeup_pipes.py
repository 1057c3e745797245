"""Pipes that wake the agent's thread: by a byte, or when the last writer has closed them."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ..interpreter import descriptors


class WakeupPipe:
    """A pipe whose read end the agent's thread polls, so that a byte wakes it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = descriptors.pipe()

    def is_ours(self) -> bool:
        """Tell whether the application has left both ends alone."""
        return self.read_end.is_ours() and self.write_end.is_ours()

    def wake(self) -> None:
        """Wake the agent's thread; never blocks or raises.

        If the application has closed the pipe, that has woken the thread.
        """
        with contextlib.suppress(OSError):  # or it is full
            os.write(self.write_end.checked(), b"x")

    def drain(self) -> None:
        """Read the bytes that `wake` has written; raises OSError, Lost."""
        os.read(self.read_end.checked(), 4096)

    def close(self) -> None:
        """Close both ends."""
        self.read_end.close()
        self.write_end.close()


class Watch:
    """A FIFO that others hold open to write; `then` is to be called once nobody does any more.

    Nothing is ever written to it: its end is all that there is to be read.
    """

    def __init__(self, path: str, then: Any) -> None:
        """Open it; raises OSError."""
        self.path, self.then = path, then
        flags = os.O_RDONLY | os.O_NONBLOCK
        self.reading = descriptors.opened(path, flags, descriptors.lowest_own_number())

    def is_over(self) -> bool:
        """Tell whether no process has the FIFO open to write.

        `poll` does not report it if the last writer was gone before this end was opened.
        """
        try:
            return bool(os.read(self.reading.checked(), 1) == b"")
        except BlockingIOError:
            return False
