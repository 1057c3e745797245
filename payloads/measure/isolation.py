"""Our coverage is apart from those of the application, which may begin and end in any order.

coverage keeps a stack of all that measure: one that begins has the one before pause, and expects to
be the last when it stops.  Ours is on stacks of its own, so that to the application there is none.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

from ..coverage_import.coverage_package import is_ours
from ..interpreter import tool_ids
from .conflicts import TOOLS

NAME = "covattach coverage"  # by which ours has its tool id


def have_own_stacks(cov: Any) -> None:
    """Have a Coverage object, and its collector, which have not started, be on no common stack."""
    cov._instances = []
    cov._collector._collectors = []


class Monitoring:
    """Takes the place of `sys.monitoring` where coverage looks for a tool id, and gives it ours."""

    def __init__(self, tool: int) -> None:
        self.COVERAGE_ID = tool

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.monitoring, name)  # type: ignore[attr-defined,unused-ignore]

    def use_tool_id(self, tool: int, name: str) -> None:
        """Take the tool id, in our name."""
        sys.monitoring.use_tool_id(tool, NAME)  # type: ignore[attr-defined,unused-ignore]


class NoLock:
    """Takes the place of the lock of sysmon's tracer, which can hang the target.

    From 3.14 on a signal handler may have its turn between `__enter__` and the block of a `with`
    statement.  What is guarded (coverage/sysmon.py: `if self.sysmon_on: set_local_events(...)`)
    has no place at which another thread could have its turn.
    """

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


@contextmanager
def beginning(cov: Any) -> Iterator[None]:
    """Have sysmon's tracer made without its lock, and begin with a tool id that we choose.

    `threading` might be gevent's or eventlet's, too: who waits for one of their locks runs other
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


class Uses:
    """Tells whether the application has come to use the coverage that we have brought in.

    It has if somebody but coverage refers more often than before to a module or class of it.
    """

    def __init__(self, package: ModuleType) -> None:
        self.package = package
        self.before = self.counted()

    def counted(self) -> dict[int, int]:
        """Return how often each is referred to by others, by its identity."""
        modules = [module for name, module in list(sys.modules.items()) if is_ours(name)]
        names = [name for module in modules for name in list(vars(module).values())]
        own = Counter(map(id, names))
        classes = [one for one in vars(self.package).values() if isinstance(one, type)]
        return {id(one): sys.getrefcount(one) - own[id(one)] for one in (*modules, *classes)}

    @contextmanager
    def of_ours(self) -> Iterator[None]:
        """Count nothing that begins in the body as the application's: a report made for us."""
        then = self.counted()
        try:
            yield
        finally:
            for one, count in self.counted().items():
                known = then.get(one, 0)
                self.before[one] = self.before.get(one, known) + max(count - known, 0)

    def has_grown(self) -> bool:
        """Tell whether any of the modules and classes has more references than before."""
        now = self.counted()
        return any(now.get(one, 0) > count for one, count in self.before.items())
