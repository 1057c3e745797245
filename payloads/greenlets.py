"""Greenlets: stacks that are suspended, which no thread's stack shows.

gevent and eventlet run whole applications in them.  A thread has a tree of them, whose root is
its main greenlet, and runs one at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any
from weakref import ref

from . import frames, gil, heap


def kind() -> Any:
    """Return the class `greenlet` if the application has imported it, or None."""
    return getattr(sys.modules.get("greenlet"), "greenlet", None)


def with_subclasses(one: type) -> set[type]:
    """Return a class and all that are derived from it."""
    found = {one}
    for below in type.__subclasses__(one):
        found |= with_subclasses(below)
    return found


def root() -> Any:
    """Return the main greenlet of this thread; None in an application without greenlets."""
    greenlet = kind()
    return None if greenlet is None else root_of(sys.modules["greenlet"].getcurrent())  # type: ignore[attr-defined,unused-ignore]


def root_of(one: Any) -> Any:
    """Return the main greenlet of the thread that a greenlet belongs to."""
    parent_of = kind().parent.__get__
    while True:
        parent = parent_of(one)
        if parent is None:
            return one
        one = parent


class Look:
    """What was running or suspended at one moment.

    `calls` are C functions for `gil.at_once`: they look.  Greenlets are referred to weakly: one
    that the application drops is ended by that.
    """

    def __init__(self) -> None:
        self.threads: list[dict[int, FrameType]] = []
        self.greenlets: list[ref[Any]] = []
        self.tops: list[FrameType | None] = []  # of each greenlet, None where it is not suspended
        self.calls: list[Callable[[], Any]] = [
            gil.exhausting(map(self.threads.append, map(gil.CALL, (sys._current_frames,))))
        ]
        greenlet = kind()
        if greenlet is not None:
            found: list[Any] = []
            tops = map(greenlet.gr_frame.__get__, found)
            self.calls += [
                *heap.instances(with_subclasses(greenlet), found),
                partial(self.tops.extend, tops),
                partial(self.greenlets.extend, map(ref, found)),
                found.clear,
            ]

    def suspended(self) -> list[ref[Any]]:
        """Return the greenlets that were suspended."""
        return [one for one, top in zip(self.greenlets, self.tops) if top is not None]

    def frames(self, but: int = 0) -> Iterator[FrameType]:
        """Yield the frames of all greenlets, and of all threads but the one called `but`."""
        tops = [top for ident, top in self.threads[0].items() if ident != but]
        for top in [*tops, *filter(None, self.tops)]:
            yield from frames.stack(top)


def look() -> Look:
    """Look now."""
    found = Look()
    gil.at_once(*found.calls)
    return found
