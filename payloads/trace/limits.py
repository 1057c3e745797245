"""Limits of a trace: how many calls are sent, in all and in each second."""

from __future__ import annotations

from typing import Any

from .event_kinds import CALL, GAP, RAISE, RETURN

MOST = 100_000  # frames that are remembered as left out


class CallLimits:
    """Chooses the events to send: at most `limit` calls in all, and the first `rate` a second.

    0 is no limit.
    """

    def __init__(self, limit: int, rate: float) -> None:
        self.limit, self.rate = limit, rate
        self.sent = self.left_out = 0
        self.begun = self.in_second = 0.0
        self.skipped: set[tuple[int, int]] = set()

    @property
    def is_complete(self) -> bool:
        """Whether as many calls as `limit` have been sent; False without a limit."""
        return bool(self.limit) and self.sent >= self.limit

    def select(self, events: list[tuple[Any, ...]], now: float) -> list[tuple[Any, ...]]:
        """Return those of `events` that are to be sent; count the calls that `rate` leaves out.

        `now` is the monotonic time, in seconds.
        """
        if not self.limit and not self.rate:
            return events
        if now >= self.begun + 1:
            self.begun, self.in_second = now, 0
        return [event for event in events if self.takes(event)]

    def takes(self, event: tuple[Any, ...]) -> bool:
        """Tell whether to send an event: a call within the limits, or an event of such a call."""
        kind, frame = event[0], (event[2], event[5])
        if self.is_complete:
            return False
        if kind == CALL:
            return self.takes_call(frame)
        if kind == GAP:
            self.skipped.clear()
        is_skipped = frame in self.skipped
        if kind in (RETURN, RAISE):
            self.skipped.discard(frame)
        return not is_skipped

    def takes_call(self, frame: tuple[int, int]) -> bool:
        """Count a call, and tell whether to send it; `frame` is a thread number and frame id."""
        if self.rate and self.in_second >= self.rate:
            self.left_out += 1
            if len(self.skipped) < MOST:
                self.skipped.add(frame)
            return False
        self.skipped.discard(frame)
        self.in_second += 1
        self.sent += 1
        return True
