"""Limits: of the events that were seen, those that the user asked for."""

from __future__ import annotations

from typing import Any

from .event_kinds import CALL, GAP, RAISE, RETURN

MOST = 100_000  # frames that are remembered for having been left out


class CallLimits:
    """At most `limit` calls in all, and the first `rate` of each second; 0 is no limit."""

    def __init__(self, limit: int, rate: float) -> None:
        self.limit, self.rate = limit, rate
        self.sent = self.left_out = 0
        self.begun = self.in_second = 0.0
        self.skipped: set[tuple[int, int]] = set()

    @property
    def is_complete(self) -> bool:
        """Tell whether all calls that were asked for are there."""
        return bool(self.limit) and self.sent >= self.limit

    def of(self, events: list[tuple[Any, ...]], now: float) -> list[tuple[Any, ...]]:
        """Return the events that are to be sent; the calls that `rate` leaves out are counted."""
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
        """Count a call of a thread and frame, and tell whether it is to be sent."""
        if self.rate and self.in_second >= self.rate:
            self.left_out += 1
            if len(self.skipped) < MOST:
                self.skipped.add(frame)
            return False
        self.skipped.discard(frame)
        self.in_second += 1
        self.sent += 1
        return True
