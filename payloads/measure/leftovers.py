"""Trace and profile functions that an earlier session has left behind, and that do nothing."""

from __future__ import annotations

from typing import Any


def is_inert(function: Any) -> bool:
    """Tell whether a trace or profile function is None, or left behind by an earlier session.

    A frame that was suspended when that session ended keeps its trace function: only a search of
    all objects would have found the frame.  Or another tool has saved the function and restored it
    later.
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
