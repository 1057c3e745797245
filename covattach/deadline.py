"""When everything that a command waits for has to be over: one point in time, which is handed on.

A command's own work, such as making reports, is not waiting: whoever waits again after it asks for
`renewed`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

USUAL = 30.0  # seconds, unless --timeout says otherwise


@dataclass(frozen=True)
class Deadline:
    """A time of `time.monotonic`, and how many seconds there were until then at the beginning."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline so many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def left(self) -> float:
        """How many seconds there are until then; 0 from then on."""
        return max(self.at - time.monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.at

    def within(self, seconds: float) -> Deadline:
        """Return the deadline so many seconds from now, or this one if that comes earlier."""
        return Deadline(min(self.at, time.monotonic() + seconds), seconds)

    def renewed(self) -> Deadline:
        """Return one of as many seconds, from now on."""
        return Deadline.after(self.seconds)


class OfCommand:
    """The deadline of the command that is running, which its `--timeout` sets."""

    def __init__(self) -> None:
        self.seconds = USUAL
        self.deadline: Deadline | None = None
        # What the processes of each user have used of its time, and our own work in one turn.
        self.used: dict[int, float] = {}
        self.worked = 0.0

    def begin(self, seconds: float) -> None:
        """Begin a command that has so many seconds."""
        self.seconds = seconds
        self.deadline = Deadline.after(seconds)
        self.used = {}

    @contextlib.contextmanager
    def turn_of(self, user: int) -> Iterator[None]:
        """Wait for a process of that user's: for all of one user's as long as for one alone.

        A user whose processes do not answer uses up no time of the others'.
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
        """Work in the body, and wait for nobody: that does not count."""
        began = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - began
            self.worked += took
            if self.deadline is not None:
                self.deadline = Deadline(self.deadline.at + took, self.deadline.seconds)

    def end(self) -> None:
        """Have whoever waits from now on do so for the usual time, each by itself."""
        self.seconds, self.deadline = USUAL, None

    def renew(self) -> None:
        """Begin anew, after work of our own, or after the user had us wait."""
        if self.deadline is not None:
            self.deadline, self.used = self.deadline.renewed(), {}

    def current(self) -> Deadline:
        """Return the command's deadline; where there is no command, one of its own."""
        return self.deadline or Deadline.after(self.seconds)


COMMAND = OfCommand()
