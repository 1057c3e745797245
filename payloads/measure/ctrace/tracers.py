"""Facts about coverage's tracers beyond their interface (coverage/ctracer/tracer.c)."""

from __future__ import annotations

import sys
from functools import partial
from itertools import compress
from types import FrameType
from typing import Any

from ...interpreter import atomic, frames

OBJECTS = ("data", "file_tracers", "should_trace", "should_trace_cache", "check_include")
FUNCTIONS = (
    "warn",
    "lock_data",
    "unlock_data",
    "disable_plugin",
    "should_start_context",
    "switch_context",
)
FEW = 64  # tracers of threads that have ended, which are not worth looking for
# What `sys.getrefcount` says of an object that nothing but a list refers to, asked by `map`.
SOLE = next(map(sys.getrefcount, [object()]))


class Tracers(list[Any]):
    """Takes the place of a collector's list of tracers, and drops those of ended threads.

    coverage keeps one for each thread there ever was.  A thread that runs refers to its tracer, and
    so does each frame that was traced; a tracer that only this list refers to cannot be called
    again.  The lines are in sets that all tracers share.
    """

    limit = FEW

    def append(self, tracer: Any) -> None:
        """Add a tracer; called in the thread that it is for."""
        super().append(tracer)
        if len(self) > self.limit:
            self.drop_finished()

    def drop_finished(self) -> None:
        """Drop the tracers that nothing else refers to."""
        counts: list[int] = []
        finished: list[Any] = []
        atomic.at_once(
            partial(counts.extend, map(sys.getrefcount, self)),
            partial(finished.extend, compress(self, map(SOLE.__ge__, counts))),
            partial(self.__setitem__, slice(None), compress(self, map(SOLE.__lt__, counts))),
        )
        for tracer in finished:
            tracer.stop()  # one that is freed while it is on takes this thread's function away
        self.limit = 2 * len(self) + FEW


def set_last_line(tracer: Any, frame: FrameType, held: set[int]) -> None:
    """Tell a tracer of arcs on which line a frame is, so that it does not make up an arc.

    Told of the frame by a "call", it may take it for one that begins: from 3.11 on, by whatever
    number stands beside the instruction.  While it traces lines, a line event sets the last line,
    and adds a plain number, which as a packed arc would be one to line 0: `held` is the set that
    it goes to, and must not show it to anybody.  What it traces, `start` looks up.
    """
    tracer.trace_arcs = False
    tracer.start()
    line = frame.f_lineno
    atomic.at_once(partial(tracer, frame, "line", None), partial(held.discard, line))
    tracer.trace_arcs = True
    tracer.start()


def discard(some: list[Any], hook: Any) -> None:
    """Empty tracers, and take them and `hook` off frames that hold them, which 3.9 looks at."""
    if frames.STALE:
        for frame in frames.holding([*some, hook]):
            frame.f_trace = None
    for tracer in some:
        clear(tracer)


def clear(tracer: Any) -> None:
    """Make a tracer that has stopped refer to nothing of its collector's."""
    for name in OBJECTS + FUNCTIONS:
        if hasattr(tracer, name):
            setattr(tracer, name, None)


def keep(some: list[Any]) -> None:
    """Keep tracers alive for good: one that is freed while it is at work takes the target along.

    The C tracer does not take part in garbage collection, so a reference back to it is enough.
    """
    for tracer in some:
        tracer.warn = some
