"""The tool id of `sys.monitoring` by which our coverage measures: taken, and given back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

from ...errors import do_all
from ...interpreter import tool_ids
from ..conflicts import TOOLS

NAME = "covattach coverage"  # under which our coverage has its tool id


class Monitoring:
    """A stand-in for `sys.monitoring` in coverage, by which coverage takes the tool id `tool`."""

    def __init__(self, tool: int) -> None:
        self.COVERAGE_ID = tool

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.monitoring, name)  # type: ignore[attr-defined,unused-ignore]

    def use_tool_id(self, tool: int, name: str) -> None:
        """Take the tool id `tool`, but under our name instead of `name`."""
        sys.monitoring.use_tool_id(tool, NAME)  # type: ignore[attr-defined,unused-ignore]


class NoLock:
    """A lock that does nothing, in place of the one of sysmon's tracer, which can hang the target.

    From 3.14 on a signal handler may have its turn between `__enter__` and the block of a `with`
    statement.  The guarded code (coverage/sysmon.py: `if self.sysmon_on: set_local_events(...)`)
    has no place at which another thread could have its turn.
    """

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


@contextmanager
def beginning(cov: Any) -> Iterator[None]:
    """Return a context manager: coverage, started in its body, makes no lock and takes our tool id.

    The lock could also be gevent's or eventlet's.  A thread that waits for such a lock runs other
    greenlets meanwhile, in our thread as well, and may wait for ever.
    """
    module: Any = sys.modules.get("coverage.sysmon")
    tool = tool_ids.free(TOOLS)
    if module is None or tool is None:
        yield
        return
    made_with = cov._collector.core.tracer_kwargs
    if "tool_id" in made_with:  # until coverage 7.10
        made_with["tool_id"] = tool
    usual = module.threading, module.sys_monitoring
    module.threading, module.sys_monitoring = SimpleNamespace(Lock=NoLock), Monitoring(tool)
    try:
        yield
    finally:
        module.threading, module.sys_monitoring = usual


def own_tools() -> list[int]:
    """Return the tool ids of sys.monitoring that a coverage of ours has taken; [] below 3.12."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return [tool for tool in range(6) if monitoring and monitoring.get_tool(tool) == NAME]


def uninstall(tool: int) -> None:
    """Switch a tool's global events off, remove its callbacks, and give its id back.

    Each step is taken even if others raise: an audit hook of the application's may refuse a
    callback.
    """
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    events = monitoring.events
    names = ["PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "LINE", "INSTRUCTION"]
    names += [name for name in ("BRANCH_LEFT", "BRANCH_RIGHT") if hasattr(events, name)]  # 3.14
    register = monitoring.register_callback
    do_all(
        partial(monitoring.set_events, tool, 0),
        *(partial(register, tool, getattr(events, name), None) for name in names),
        partial(monitoring.free_tool_id, tool),
    )


def uninstall_all() -> None:
    """Give the tool ids back that a start of coverage has kept which failed half-way."""
    for tool in own_tools():
        uninstall(tool)
