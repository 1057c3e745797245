"""Changes to coverage's C tracers that rely on their implementation (coverage/ctracer/tracer.c)."""

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
FEW = 64  # so many tracers are not searched for those of threads that have ended
# The result of `sys.getrefcount`, called by `map`, for an object that only a list refers to.
SOLE = next(map(sys.getrefcount, [object()]))


class Tracers(list[Any]):
    """Takes the place of a collector's list of tracers, and discards those of ended threads.

    coverage keeps one for each thread there ever was.  A thread that runs refers to its tracer, and
    so does each frame that was traced; a tracer that only this list refers to cannot be called
    again.  The lines are in sets that all tracers share.
    """

    limit = FEW

    def append(self, tracer: Any) -> None:
        """Add a tracer; called in the thread that it is for."""
        super().append(tracer)
        if len(self) > self.limit:
            self.discard_finished()

    def discard_finished(self) -> None:
        """Discard the tracers that nothing else refers to."""
        counts: list[int] = []
        finished: list[Any] = []
        atomic.at_once(
            partial(counts.extend, map(sys.getrefcount, self)),
            partial(finished.extend, compress(self, map(SOLE.__ge__, counts))),
            partial(self.__setitem__, slice(None), compress(self, map(SOLE.__lt__, counts))),
        )
        for tracer in finished:
            tracer.stop()  # freed before, it would remove this thread's trace function
        self.limit = 2 * len(self) + FEW


def set_last_line(tracer: Any, frame: FrameType, held: set[int]) -> None:
    """Tell a tracer of arcs the line that `frame` is at, so that it does not make up an arc.

    A "call" event for a running frame may look to the tracer like one that begins.  From 3.11 on
    that depends on the number beside the current instruction.  While it traces lines, a line event
    sets the last line, and adds the line to `held`, the set of the frame's file.  There it would be
    taken for a packed arc to line 0, so it is removed before another thread can see it.  The tracer
    looks at `trace_arcs` in `start`.
    """
    tracer.trace_arcs = False
    tracer.start()
    line = frame.f_lineno
    atomic.at_once(partial(tracer, frame, "line", None), partial(held.discard, line))
    tracer.trace_arcs = True
    tracer.start()


def discard(some: list[Any], hook: Any) -> None:
    """Empty stopped tracers; on Python 3.9 first remove them, and `hook`, from frames."""
    if frames.STALE:
        for frame in frames.holding([*some, hook]):
            frame.f_trace = None
    for tracer in some:
        clear(tracer)


def clear(tracer: Any) -> None:
    """Drop a stopped tracer's references to the objects of its collector."""
    for name in OBJECTS + FUNCTIONS:
        if hasattr(tracer, name):
            setattr(tracer, name, None)


def keep(some: list[Any]) -> None:
    """Keep tracers alive for good: one that is freed while it is called crashes the target.

    The C tracer does not take part in garbage collection, so a reference cycle is enough.
    """
    for tracer in some:
        tracer.warn = some
