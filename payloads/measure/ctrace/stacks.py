"""Stacks that were there before coverage's C tracer, which ignores frames not seen called."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Any

from ...interpreter import frames
from ...snapshot.encoding import bits
from . import tracers


class Stacks:
    """Tells a collector's C tracers of the frames that were called before they began.

    `hook` is set as the trace function of such frames on Python 3.9, which needs it for their
    lines.
    """

    def __init__(self, collector: Any, hook: Any) -> None:
        self.collector = collector
        self.hook = hook
        self.lines: dict[FrameType, int] = {}  # the line of each running frame at the start

    def keep_only(self, running: Iterable[FrameType]) -> None:
        """Forget the lines of frames not in `running`, so that ended frames can be freed."""
        for ended in set(self.lines).difference(running):
            self.lines.pop(ended, None)

    def tell(self, tracer: Any, frame: FrameType, event: str, arg: Any) -> None:
        """Tell `tracer` of the frames on the stack of `frame`, then of the trace event itself."""
        running = list(frames.stack(frame))
        if event == "call":
            running.pop(0)  # the tracer is about to see its call
        before = self.lines.get(frame)
        tracer.should_start_context = None  # frames are not entered now, see call_watcher.py
        for outer in reversed(running):
            self.tell_frame(tracer, outer)
        tracer.should_start_context = self.collector.should_start_context
        if self.collector.branch and event == "line":
            if before is not None:
                shift = bits(self.collector)
                self.held_for(frame).add(before | frame.f_lineno << shift)
        else:
            tracer(frame, event, arg)

    def tell_frame(self, tracer: Any, frame: FrameType) -> None:
        """Tell `tracer` of one frame that is on a stack, as if it was called now."""
        if frames.STALE and frame.f_trace is None:
            frame.f_trace = self.hook
        tracer(frame, "call", None)
        if self.collector.branch:
            tracers.set_last_line(tracer, frame, self.held_for(frame))
        self.lines.pop(frame, None)

    def held_for(self, frame: FrameType) -> set[int]:
        """Return coverage's set of lines or arcs for the frame's file; or else a spare set."""
        disposition = self.collector.should_trace_cache.get(frame.f_code.co_filename)
        if disposition is None or not disposition.trace:
            return set()
        held: set[int] = self.collector.data[disposition.source_filename]
        return held
