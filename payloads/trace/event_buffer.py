"""The events that were seen and not sent yet, in a bounded buffer.

The application's threads fill it, and the agent's empties it.  No thread waits for another: events
that do not fit are counted and dropped.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import count, islice
from types import FrameType
from typing import Any

from ..interpreter import frames
from . import safe_repr
from .event_kinds import CALL, GAP, RETURN, YIELD
from .filters import Functions, Threads

MOST = 1 << 14  # events that are kept; about 4 MB
clock = time.perf_counter_ns


def counted(counter: Any) -> int:
    """Return how many numbers an `itertools.count` from 0 has given, without taking one."""
    return int(repr(counter)[6:-1])


def depth_of(frame: FrameType | None) -> int:
    """Return the depth of a frame in its stack: how many callers it has."""
    depth = -1
    while frame is not None:
        frame = frame.f_back
        depth += 1
    return depth


class EventBuffer:
    """The buffer that a hook writes events to; `request` is that of the verb `trace`.

    `allowed` is the number of events at which the hook has used up its budget, see
    `overhead_budget`.  Each event takes a number, a `tick`.  `unpatched` is as for `Threads`.
    """

    def __init__(self, request: dict[str, Any], unpatched: Any) -> None:
        self.held: deque[tuple[Any, ...]] = deque()
        self.new_functions: deque[Any] = deque()
        self.new_threads: deque[Any] = deque()
        self.functions = Functions(request, self.new_functions)
        self.threads = Threads(request.get("thread") or [], self.new_threads, unpatched)
        self.returns = bool(request.get("returns"))
        self.arguments = bool(request.get("arguments"))
        self.ticks, self.drops, self.faults = count(), count(), count()
        self.tick = self.ticks.__next__
        self.allowed = 0
        self.most = MOST

    def note(self, kind: int, function: Any, frame: FrameType, began: int, value: Any) -> None:
        """Add an event of the calling thread, whose frame is `frame`, or count it as dropped.

        `kind` is one of `event_kinds`, `function` a `Function`, and `value` was returned or
        yielded.  `began` is the time in ns at which the hook was called.  Nothing is added for a
        thread that is not shown.
        """
        thread = self.threads.number()
        if not thread:
            return
        if len(self.held) >= self.most:
            next(self.drops)
            return
        text = None
        if self.arguments:
            if kind == CALL:
                text = safe_repr.arguments(frame, function.parameters)
            elif kind in (RETURN, YIELD):
                text = safe_repr.shown(value)
        depth = depth_of(frame)
        cost = clock() - began
        self.held.append((kind, function.number, thread, began, depth, id(frame), cost, text))

    def note_gap(self, since: int) -> None:
        """Add an event which tells that the hook was off from `since`, a time in ns, until now."""
        now = clock()
        if len(self.held) < self.most:
            self.held.append((GAP, 0, 0, now, 0, now - since, 0, None))

    def fault(self, error: BaseException) -> None:
        """Handle an error caught in a hook: only count a fault of ours, raise any other."""
        if not frames.is_fault_of_ours(error):
            raise error
        next(self.faults)

    def take(self, most: int) -> list[tuple[Any, ...]]:
        """Remove the oldest events, at most `most`, and return them."""
        number = min(len(self.held), most)
        return [self.held.popleft() for _ in range(number)]

    def take_new(self) -> dict[str, list[Any]]:
        """Remove facts about new functions and threads, and return them; to be called after `take`.

        The facts about a function are there before its first event, so none comes too late.
        """
        found = {}
        for name, new in (("functions", self.new_functions), ("threads", self.new_threads)):
            found[name] = [new.popleft() for _ in islice(iter(int, 1), len(new))]
        return found
