"""The deadline of a command: one point in time, which is passed on to all that waits.

A command's own work, such as making reports, is not waiting.  A caller that waits again after such
work asks for a `renewed` deadline.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

USUAL = 30.0  # seconds, unless --timeout says otherwise


@dataclass(frozen=True)
class Deadline:
    """A point in time: `at` is of `time.monotonic`, `seconds` the time-out that it began with."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def left(self) -> float:
        """The seconds left until the deadline; 0 once it has passed."""
        return max(self.at - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.at

    def within(self, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` from now, but no later than this one."""
        return Deadline(min(self.at, time.monotonic() + seconds), seconds)

    def renewed(self) -> Deadline:
        """Return a deadline with the same time-out that begins now."""
        return Deadline.after(self.seconds)


class OfCommand:
    """The deadline of the running command, set by its `--timeout`."""

    def __init__(self) -> None:
        self.seconds = USUAL
        self.deadline: Deadline | None = None
        # Seconds waited for the processes of each user, and of our own work in the present turn.
        self.used: dict[int, float] = {}
        self.worked = 0.0

    def begin(self, seconds: float) -> None:
        """Set the deadline of a command that begins now, and has `seconds`."""
        self.seconds = seconds
        self.deadline = Deadline.after(seconds)
        self.used = {}

    @contextlib.contextmanager
    def turn_of(self, user: int) -> Iterator[None]:
        """Set the deadline for waiting, in the body, for a process of `user`, a user id.

        Each user has the whole time-out of the command, shared by all processes of that user.  So
        processes that do not answer take no time from those of other users.
        """
        if self.deadline is None:
            yield
            return
        whole, began = self.deadline, time.monotonic()
        left = max(whole.seconds - self.used.get(user, 0.0), 0.0)
        self.deadline, self.worked = Deadline(began + left, whole.seconds), 0.0
        try:
            yield
        finally:
            waited = time.monotonic() - began - self.worked
            self.used[user] = self.used.get(user, 0.0) + waited
            self.deadline = whole

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Leave the time of the body out of the deadline: it is our own work, not waiting."""
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            self.worked += took
            if self.deadline is not None:
                self.deadline = Deadline(self.deadline.at + took, self.deadline.seconds)

    def end(self) -> None:
        """End the command: from now on, each wait has a deadline of its own, in USUAL seconds."""
        self.seconds, self.deadline = USUAL, None

    def renew(self) -> None:
        """Restart the deadline now, after our own work, or a wait that the user asked for."""
        if self.deadline is not None:
            self.deadline, self.used = self.deadline.renewed(), {}

    def current(self) -> Deadline:
        """Return the command's deadline; if no command is running, a new one of USUAL seconds."""
        return self.deadline or Deadline.after(self.seconds)


COMMAND = OfCommand()
