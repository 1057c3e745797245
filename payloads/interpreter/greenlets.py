"""Greenlets that are suspended: their frames are on no thread's stack.

gevent and eventlet run whole applications in greenlets.  A thread has a tree of them, whose root is
its main greenlet, and runs one at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import compress
from operator import methodcaller
from types import FrameType
from typing import Any
from weakref import ref

from . import atomic, frames, gc_objects, tool_ids

TOOLS = (3, 4, 5, 1, 2, 0)  # tool ids; the last are meant for coverage, profilers, debuggers


def kind() -> Any:
    """Return the class `greenlet` if the application has imported it, or None."""
    return getattr(sys.modules.get("greenlet"), "greenlet", None)


def with_subclasses(one: type) -> set[type]:
    """Return the class `one` and all classes that are derived from it, directly or not."""
    found = {one}
    derived: list[type] = type.__subclasses__(one)
    for below in derived:
        found |= with_subclasses(below)
    return found


def root() -> Any:
    """Return the main greenlet of this thread; None in an application without greenlets."""
    module: Any = sys.modules.get("greenlet")
    return None if kind() is None else root_of(module.getcurrent())


def root_of(one: Any) -> Any:
    """Return the main greenlet of the thread that the greenlet `one` belongs to."""
    parent_of = kind().parent.__get__
    while True:
        parent = parent_of(one)
        if parent is None:
            return one
        one = parent


class Look:
    """The frames that were running or suspended at one moment, except those of the looking thread.

    `calls` are the C functions that take the look, for `atomic.at_once`.  Greenlets are referred to
    weakly, as one that the application drops has to end.  `also`, if given, returns more C
    functions for `calls`.  It is called with two lists that will be filled: all greenlets, and
    their innermost frames, None for those that are not suspended.
    """

    def __init__(self, also: Callable[[list[Any], list[Any]], list[Any]] | None = None) -> None:
        self.threads: list[dict[int, FrameType]] = []
        self.suspended: list[ref[Any]] = []
        self.tops: list[FrameType | None] = []  # of all greenlets, None where one is not suspended
        # Our own frame would refer to itself by way of this, and live until it is collected.
        drop_own = methodcaller("pop", frames.own_ident(), None)
        self.calls: list[Callable[[], Any]] = [
            atomic.exhausting(map(self.threads.append, map(atomic.CALL, (frames.of_threads(),)))),
            atomic.exhausting(map(drop_own, self.threads)),
        ]
        greenlet = kind()
        if greenlet is not None:
            found: list[Any] = []
            tops = map(greenlet.gr_frame.__get__, found)
            self.calls += [
                *gc_objects.instances(with_subclasses(greenlet), found),
                partial(self.tops.extend, tops),
                partial(self.suspended.extend, map(ref, compress(found, self.tops))),
                *(also(found, self.tops) if also else ()),
                found.clear,
            ]

    def of_greenlets(self) -> Iterator[FrameType]:
        """Yield the frames of the greenlets that were suspended."""
        for top in self.tops:
            yield from frames.stack(top)

    def frames(self) -> Iterator[FrameType]:
        """Yield the frames of the threads and of the greenlets."""
        for top in self.threads[0].values():
            yield from frames.stack(top)
        yield from self.of_greenlets()

    def instrument(self) -> bool:
        """Instrument the code on the stacks of greenlets for trace functions, from 3.12 on.

        When a trace function is set or removed, the interpreter rewrites the code that threads are
        executing.  It rewrites other code when that is entered, which code in greenlets has been
        already.  But it rewrites a code object at once when a tool's local events there go on and
        off (sys.monitoring).  Returns False if no tool id is free.
        """
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None or not any(self.tops):
            return True
        tool = tool_ids.take(TOOLS)
        if tool is None:
            return False
        try:
            for code in {frame.f_code for frame in self.frames()}:
                on_and_off = (monitoring.events.LINE, 0)
                calls = map(monitoring.set_local_events, (tool,) * 2, (code,) * 2, on_and_off)
                atomic.at_once(atomic.exhausting(calls))
        finally:
            monitoring.free_tool_id(tool)
        return True


def look() -> Look:
    """Return a `Look` taken now."""
    found = Look()
    atomic.at_once(*found.calls)
    return found
