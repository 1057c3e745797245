"""Tool ids of `sys.monitoring`: one that is free is looked for, or taken."""

from __future__ import annotations

import sys
from typing import Any

NAME = "covattach"  # of those that are taken for a moment only


def free(wanted: tuple[int, ...]) -> int | None:
    """Return the first of these tool ids that nobody has; None if there is none, or before 3.12."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return next((one for one in wanted if monitoring and monitoring.get_tool(one) is None), None)


def take(wanted: tuple[int, ...]) -> int | None:
    """Take the first of these tool ids that nobody has, and return it; None if there is none."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    for tool in wanted:
        try:
            monitoring.use_tool_id(tool, NAME)
        except ValueError:
            continue
        return tool
    return None


def holders(wanted: tuple[int, ...]) -> str:
    """Return the names of the tools that have these ids, to be told to the user."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    return ", ".join(str(monitoring.get_tool(tool)) for tool in wanted)
