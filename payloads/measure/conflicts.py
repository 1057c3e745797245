"""Other tools that measure, trace or debug this process: how to find, name and spare them."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import CannotAdopt, Refused
from ..interpreter import frames, tool_ids
from ..interpreter.all_threads import AllThreads
from .leftovers import is_inert

# The ids of sys.monitoring, the best one first, that ours may take.  Debuggers want 0 and profilers
# 2: they raise where that is taken.  SlipCover wants 1, from which coverage also looks for its own.
TOOLS = (3, 4, 5, 1)
LEGACY = 1 << 7  # the bit by which CPython itself listens for `sys.settrace` from 3.12 on


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
    """Raise Refused where a trace function is set, which a trace function of ours would replace.

    Below 3.12 a thread that has one can be left to it; there must be others to measure.
    """
    hook = getattr(sys.modules.get("threading"), "_trace_hook", None)
    if not is_inert(hook):
        raise Refused(
            f"the application has set a trace function for its threads: {frames.name_of(hook)}"
        )
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        refuse_if_all_are_traced()
    elif any(tools & LEGACY for tools in monitoring._all_events().values()):
        refuse_traced_frames()
        raise Refused("a thread has set a trace function, by sys.settrace; which is not known")


def refuse_if_all_are_traced() -> None:
    """Raise Refused where each thread that runs Python has a trace function of somebody's."""
    try:
        functions = AllThreads().functions()
    except CannotAdopt:
        refuse_traced_frames()
        return
    running = set(frames.of_threads()()) - {frames.own_ident()}
    theirs = [functions[ident] for ident in running & set(functions)]
    if theirs and not any(map(is_inert, theirs)):
        raise Refused(
            "a debugger or another trace function is active in all threads of this process: "
            f"{frames.name_of(theirs[0])}"
        )


def refuse_traced_frames() -> None:
    """Raise Refused where a frame that runs has a trace function of somebody's."""
    for frame in frames.all_running(frames.own_ident()):
        if not is_inert(frame.f_trace):
            code = frame.f_code
            raise Refused(
                "a debugger or another trace function is active in this process: "
                f"{frames.name_of(frame.f_trace)}, in {code.co_name} of {code.co_filename}"
            )


def refuse_if_no_free_tool_id() -> None:
    """Raise Refused if no tool id of sys.monitoring is free."""
    if tool_ids.free(TOOLS) is None:
        named = tool_ids.holders(tuple(sorted(TOOLS)))
        raise Refused(
            f"the tool ids 1, 3, 4 and 5 of sys.monitoring are taken, by {named}, and 0 and 2 are "
            "for debuggers and profilers; --core ctrace needs none"
        )
