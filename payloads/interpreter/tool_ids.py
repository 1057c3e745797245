"""Tool ids of `sys.monitoring`: find a free one, take it, or name the tools that hold them."""

from __future__ import annotations

import sys
from typing import Any

NAME = "covattach"  # the tool's name, for an id that is taken for a moment only


def free(wanted: tuple[int, ...]) -> int | None:
    """Return the first of the tool ids `wanted` that is free; None if none is, or before 3.12."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return next((one for one in wanted if monitoring and monitoring.get_tool(one) is None), None)


def take(wanted: tuple[int, ...]) -> int | None:
    """Take the first of the tool ids `wanted` that is free, and return it; None if none is."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    for tool in wanted:
        try:
            monitoring.use_tool_id(tool, NAME)
        except ValueError:
            continue
        return tool
    return None


def holders(wanted: tuple[int, ...]) -> str:
    """Return the names of the tools that hold the tool ids `wanted`, as text with commas."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    return ", ".join(str(monitoring.get_tool(tool)) for tool in wanted)
