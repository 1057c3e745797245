"""The trace functions of frames: ours are set on running frames, and removed when measuring ends.

A frame has a trace function besides its thread's, which CPython calls for lines.  Other tools leave
theirs behind, on frames of threads that are not traced any more; such frames get these back.
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
    """Sets the trace function `hook` on frames, and removes those that `is_ours` recognizes."""

    def __init__(self, hook: Any, is_ours: Callable[[Any], bool]) -> None:
        self.hook = hook
        self.is_ours = is_ours
        # By address: to keep a frame alive would keep alive what it refers to.
        self.leftovers: dict[int, tuple[CodeType, Any]] = {}

    def set_on(self, running: list[FrameType], lines: dict[FrameType, int] | None) -> None:
        """Set `hook` on the frames `running`; note in `lines`, unless None, the line each is at."""
        missing = [frame for frame in running if frame.f_trace is not self.hook]
        for frame in missing:
            left: Any = frame.f_trace
            if left is not None and not self.is_ours(left):
                self.leftovers[id(frame)] = frame.f_code, left
        set_hooks = atomic.exhausting(map(setattr, missing, repeat("f_trace"), repeat(self.hook)))
        if lines is None:
            atomic.at_once(set_hooks)
        else:
            known = partial(lines.update, zip(missing, map(attrgetter("f_lineno"), missing)))
            atomic.at_once(known, set_hooks)

    def restore(self, every: Iterable[FrameType]) -> None:
        """Restore the trace functions that these frames had before `set_on`."""
        traced = [frame for frame in every if self.is_ours(frame.f_trace)]
        before = [self.before(frame) for frame in traced]
        atomic.at_once(atomic.exhausting(map(setattr, traced, repeat("f_trace"), before)))

    def before(self, frame: FrameType) -> Any:
        """Return the trace function that a frame had before `set_on`, or None."""
        code, left = self.leftovers.get(id(frame), (None, None))
        return left if code is frame.f_code else None
