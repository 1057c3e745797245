"""When everything that a command waits for has to be over: one point in time, which is handed on.

A command's own work, such as making reports, is not waiting: whoever waits again after it asks for
`renewed`.
"""

from __future__ import annotations

import time
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

    def begin(self, seconds: float) -> None:
        """Begin a command that has so many seconds."""
        self.seconds = seconds
        self.deadline = Deadline.after(seconds)

    def end(self) -> None:
        """Have whoever waits from now on do so for the usual time, each by itself."""
        self.seconds, self.deadline = USUAL, None

    def renew(self) -> None:
        """Begin anew, after work of our own, or after the user had us wait."""
        if self.deadline is not None:
            self.deadline = self.deadline.renewed()

    def current(self) -> Deadline:
        """Return the command's deadline; where there is no command, one of its own."""
        return self.deadline or Deadline.after(self.seconds)


COMMAND = OfCommand()
