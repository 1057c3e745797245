"""The trace functions of frames: ours on those that run, and none of ours once measuring has ended.

A frame has one besides that of its thread, and CPython asks it for lines.  Others leave theirs
behind, on frames of threads that are not traced any more; they get them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat
from operator import attrgetter
from types import CodeType, FrameType
from typing import Any

from ...interpreter import atomic


class FrameTraceFunctions:
    """Gives frames the trace function `hook`, and takes away those that `is_ours` recognizes."""

    def __init__(self, hook: Any, is_ours: Callable[[Any], bool]) -> None:
        self.hook = hook
        self.is_ours = is_ours
        # By address: to keep a frame alive would keep alive what it refers to.
        self.leftovers: dict[int, tuple[CodeType, Any]] = {}

    def give(self, running: list[FrameType], lines: dict[FrameType, int] | None) -> None:
        """Give these frames ours; note in `lines`, if there are any, where each is just then."""
        missing = [frame for frame in running if frame.f_trace is not self.hook]
        for frame in missing:
            left: Any = frame.f_trace
            if left is not None and not self.is_ours(left):
                self.leftovers[id(frame)] = frame.f_code, left
        given = atomic.exhausting(map(setattr, missing, repeat("f_trace"), repeat(self.hook)))
        if lines is None:
            atomic.at_once(given)
        else:
            known = partial(lines.update, zip(missing, map(attrgetter("f_lineno"), missing)))
            atomic.at_once(known, given)

    def take(self, every: Iterable[FrameType]) -> None:
        """Have these frames be as they were before ours came."""
        traced = [frame for frame in every if self.is_ours(frame.f_trace)]
        before = [self.before(frame) for frame in traced]
        atomic.at_once(atomic.exhausting(map(setattr, traced, repeat("f_trace"), before)))

    def before(self, frame: FrameType) -> Any:
        """Return the trace function that a frame had before, or None."""
        code, left = self.leftovers.get(id(frame), (None, None))
        return left if code is frame.f_code else None
