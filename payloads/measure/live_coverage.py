"""The live Coverage object: made and initialized so that it writes nothing, and warns only us."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..coverage_import import lazy_import


class FirstStays(dict[str, Any]):
    """A dictionary in which a key's first value stays: whoever comes second finds that one."""

    __setitem__ = dict.setdefault


def construct(package: ModuleType, settings: dict[str, Any], note: Any) -> Any:
    """Return a Coverage object with these settings, whose warnings `note` takes."""
    startup = getattr(sys.modules["coverage.control"], "process_startup", None)
    automatic: Any = getattr(startup, "coverage", None)
    saves = automatic._auto_save if automatic is not None else False
    # In memory only: where data goes is for the caller of a dump to say.
    cov = package.Coverage(data_file=None, config_file=False)
    if saves:
        automatic._auto_save = True  # constructing ours has switched it off
    for name, value in settings.items():
        cov.set_option(name, value)
    cov._warn = note
    cov._warn_no_data = cov._warn_unimported_source = False
    return cov


def initialize(cov: Any) -> None:
    """Initialize coverage as its `start` does, so that a collector is there beforehand."""
    cov._init()
    cov._data = lazy_import.LazyCoverageData(cov)
    cov._inited_for_start = True
    # A collector notes the stack that made it, for coverage's own tests.  Finding the source
    # of each frame goes through all modules of the application.
    collector: Any = sys.modules["coverage.collector"]
    short_stack, collector.short_stack = collector.short_stack, str
    # For each folder of `sys.path` all those above it are asked for the mark of a venv.
    path: Any = sys.modules["coverage.inorout"].os.path  # type: ignore[attr-defined,unused-ignore]
    exists, path.exists = path.exists, lru_cache(None)(path.exists)
    try:
        cov._init_for_start()
    finally:
        path.exists = exists
        collector.short_stack = short_stack


def remove_locks(collector: Any) -> None:
    """Have a collector that has not started do without its lock, which can hang the target.

    coverage takes it one bytecode before its `try`.  A signal handler of the application's that
    raises just there leaves it locked, and then every thread waits for ever that comes to a file
    for the first time.  So does a child that is forked while another thread holds it.
    The C tracer needs none but the GIL; sysmon needs one to add a set only if there is none.
    """
    collector.lock_data = collector.unlock_data = tuple  # C functions that do nothing much
    collector.data = FirstStays()
