"""The owner of a trace function: this session, another tool, or an earlier session."""

from __future__ import annotations

from typing import Any

from ...interpreter import frames
from ..leftovers import is_inert


class Owners:
    """Tells whose a trace function is; `hook` is the one that this session's adoption sets."""

    def __init__(self, collector: Any, hook: Any) -> None:
        self.collector = collector
        self.hook = hook

    def is_ours(self, function: Any) -> bool:
        """Tell whether a trace function is `hook`, our thread hook or a tracer of ours."""
        if isinstance(function, self.collector.core.tracer_class):
            return function.data is self.collector.data
        ours = (self.hook, self.collector._installation_trace)
        return function is not None and function in ours

    def is_somebodys(self, function: Any) -> bool:
        """Tell whether a trace function belongs to another tool that is at work."""
        return not is_inert(function) and not self.is_ours(function)

    def has_others(self) -> bool:
        """Tell whether another tool, say a debugger, has a trace function on a running frame."""
        return any(self.is_somebodys(frame.f_trace) for frame in frames.all_running())
