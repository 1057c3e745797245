"""Who else measures, traces or debugs this process: what can be known of them, and their names."""

from __future__ import annotations

import sys
from typing import Any

from . import frames, tracers

TOOLS = range(1, 6)  # the ids of sys.monitoring among which coverage looks for a free one
LEGACY = 1 << 7  # the bit by which CPython itself listens for `sys.settrace` from 3.12 on


class Refused(Exception):
    """Measuring would break something that is already there."""


def name_of(function: Any) -> str:
    """Return how a trace function is called, as far as it says so."""
    function = getattr(function, "func", function)  # of a partial object
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    return f"{module}.{getattr(function, '__qualname__', None) or kind.__qualname__}"


def refuse_coverage(current: Any) -> None:
    """Raise Refused if `current`, the Coverage object that is measuring now, is somebody's."""
    if current is None:
        return
    collector = getattr(current, "_collector", None)
    origin = str(getattr(collector, "origin", ""))
    makers = {
        "pytest_cov": "pytest-cov",
        "process_startup": "COVERAGE_PROCESS_START or a `patch` of its configuration",
        "do_run": "`coverage run`",
    }
    by = next((name for mark, name in makers.items() if mark in origin), "the application")
    data = getattr(current.config, "data_file", None)
    raise Refused(
        f"another coverage is measuring this process already: it was started by {by}"
        + (f" and writes to {data}" if data else "")
    )


def refuse_tracers() -> None:
    """Raise Refused where a trace function is set, which a trace function of ours would replace."""
    hook = getattr(sys.modules.get("threading"), "_trace_hook", None)
    if hook is not None:
        raise Refused(f"the application has set a trace function for its threads: {name_of(hook)}")
    for frame in frames.all_running(but=frames.own_ident()):
        if not tracers.is_free(frame):
            raise Refused(
                "a debugger or another trace function is active in this process: "
                f"{name_of(frame.f_trace)}, in {frame.f_code.co_name} of {frame.f_code.co_filename}"
            )
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is not None and any(
        tools & LEGACY for tools in monitoring._all_events().values()
    ):
        raise Refused("a thread has set a trace function, by sys.settrace; which is not known")


def refuse_full_house() -> None:
    """Raise Refused if no tool id of sys.monitoring is free."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    holders = [monitoring.get_tool(tool) for tool in TOOLS]
    if None not in holders:
        named = ", ".join(map(str, holders))
        raise Refused(
            f"all sys.monitoring tool ids are taken, by {named}; --core ctrace needs none"
        )
