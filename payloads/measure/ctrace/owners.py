"""The owners of trace functions: this session, somebody else, or nobody any more."""

from __future__ import annotations

from typing import Any

from ...interpreter import frames
from ..leftovers import is_inert


class Owners:
    """Tells whose a trace function is; `hook` is that of the adoption for a collector."""

    def __init__(self, collector: Any, hook: Any) -> None:
        self.collector = collector
        self.hook = hook

    def is_ours(self, function: Any) -> bool:
        """Tell whether a trace function is ours or one of our coverage's tracers."""
        if isinstance(function, self.collector.core.tracer_class):
            return function.data is self.collector.data
        ours = (self.hook, self.collector._installation_trace)
        return function is not None and function in ours

    def is_somebodys(self, function: Any) -> bool:
        """Tell whether a trace function is one of others, who are at work."""
        return not is_inert(function) and not self.is_ours(function)

    def has_others(self) -> bool:
        """Tell whether somebody, a debugger say, has set a trace function since the start."""
        return any(self.is_somebodys(frame.f_trace) for frame in frames.all_running())
