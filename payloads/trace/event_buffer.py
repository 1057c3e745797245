"""The calls that were seen and not sent yet, in a bounded buffer.

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
    """Return how many frames there are below a frame on its stack."""
    depth = -1
    while frame is not None:
        frame = frame.f_back
        depth += 1
    return depth


class EventBuffer:
    """The buffer that a hook writes to; `request` is that of the verb `trace`, see `tracing`.

    `allowed` is the number of events at which the hook has used up its share of the target's time,
    see `overhead_budget`; each event takes a `tick`.
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
        """Keep one event of the calling thread, in which `frame` is just running.

        `began` is the time at which the hook was called, `value` what was returned or yielded.
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
        """Note that the hook was off from `since` until now."""
        now = clock()
        if len(self.held) < self.most:
            self.held.append((GAP, 0, 0, now, 0, now - since, 0, None))

    def fault(self, error: BaseException) -> None:
        """Raise an error of the application's; a fault of ours in its thread is only counted."""
        if not frames.is_fault_of_ours(error):
            raise error
        next(self.faults)

    def take(self, most: int) -> list[tuple[Any, ...]]:
        """Return and forget the oldest events, up to so many."""
        number = min(len(self.held), most)
        return [self.held.popleft() for _ in range(number)]

    def take_new(self) -> dict[str, list[Any]]:
        """Return and forget the new functions and threads; to be called after `take`.

        A function is told before the first event of it is kept, so none comes too late.
        """
        found = {}
        for name, new in (("functions", self.new_functions), ("threads", self.new_threads)):
            found[name] = [new.popleft() for _ in islice(iter(int, 1), len(new))]
        return found
