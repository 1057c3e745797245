"""Trace functions and profilers that an earlier session has left behind, and that do nothing."""

from __future__ import annotations

from typing import Any


def is_inert(function: Any) -> bool:
    """Tell whether a trace function, or profiler, is none or the remains of an earlier session.

    A frame that was suspended at that session's end has one, as only a look at all objects would
    have found it.  Or another tool has kept it and put it back.
    """
    if function is None:
        return True
    holder = getattr(function, "__self__", function)
    kind = type(holder)
    if kind.__module__.startswith("_covattach."):
        return bool(getattr(holder, "has_ended", False))
    if (kind.__module__, kind.__name__) != ("coverage", "CTracer"):
        return False
    return function.data is None or type(function.warn) is list
