"""Detection of other tools that measure, trace or debug this process; each check raises Refused."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import CannotAdopt, Refused
from ..interpreter import frames, tool_ids
from ..interpreter.all_threads import AllThreads
from .leftovers import is_inert

# The tool ids of sys.monitoring that our coverage may take, the best first.  Debuggers want 0 and
# profilers 2: they raise where that is taken.  SlipCover wants 1, and coverage tries that first.
TOOLS = (3, 4, 5, 1)
LEGACY = 1 << 7  # the bit of tool id 7, by which CPython implements `sys.settrace` from 3.12 on


def refuse_coverage(current: Any) -> None:
    """Raise Refused if `current`, the result of `Coverage.current()`, is a Coverage object.

    It measures then, and belongs to the application or to a test tool.
    """
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
    """Raise Refused if a trace function is set that a trace function of ours would replace.

    It may be `threading`'s, for new threads, or one of a running thread.  Below 3.12 traced threads
    can be spared, so there it is enough if others are left to measure.
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
    """Raise Refused if every other thread that runs Python has another tool's trace function.

    Where threads' trace functions cannot be read, `refuse_traced_frames` decides.
    """
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
    """Raise Refused if a running frame of another thread has another tool's trace function."""
    for frame in frames.all_running(frames.own_ident()):
        if not is_inert(frame.f_trace):
            code = frame.f_code
            raise Refused(
                "a debugger or another trace function is active in this process: "
                f"{frames.name_of(frame.f_trace)}, in {code.co_name} of {code.co_filename}"
            )


def refuse_if_no_free_tool_id() -> None:
    """Raise Refused if all tool ids in TOOLS are taken."""
    if tool_ids.free(TOOLS) is None:
        named = tool_ids.holders(tuple(sorted(TOOLS)))
        raise Refused(
            f"the tool ids 1, 3, 4 and 5 of sys.monitoring are taken, by {named}, and 0 and 2 are "
            "for debuggers and profilers; --core ctrace needs none"
        )
