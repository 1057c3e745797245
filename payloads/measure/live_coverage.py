"""The live Coverage object: made and initialized to write no file and print no warning."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

from ..coverage_import import lazy_import


class FirstStays(dict[str, Any]):
    """A dictionary that keeps the first value of each key: setting a key again does nothing."""

    __setitem__ = dict.setdefault


def construct(package: ModuleType, settings: dict[str, Any], note: Any) -> Any:
    """Return a Coverage object with the options `settings`, which calls `note` with its warnings.

    `package` is the imported coverage.
    """
    startup = getattr(sys.modules["coverage.control"], "process_startup", None)
    automatic: Any = getattr(startup, "coverage", None)
    saves = automatic._auto_save if automatic is not None else False
    # In memory only: the caller of a dump says where the data goes.
    cov = package.Coverage(data_file=None, config_file=False)
    if saves:
        automatic._auto_save = True  # constructing ours has switched it off
    for name, value in settings.items():
        cov.set_option(name, value)
    cov._warn = note
    cov._warn_no_data = cov._warn_unimported_source = False
    return cov


def initialize(cov: Any) -> None:
    """Initialize `cov` as its `start` would, so that its collector exists before the start."""
    cov._init()
    cov._data = lazy_import.LazyCoverageData(cov)
    cov._inited_for_start = True
    # A collector notes the stack that made it, for coverage's own tests.  Finding the source
    # of each frame goes through all modules of the application.
    collector: Any = sys.modules["coverage.collector"]
    short_stack, collector.short_stack = collector.short_stack, str
    # For each folder of `sys.path` coverage looks for the mark of a venv in all folders above it.
    path: Any = sys.modules["coverage.inorout"].os.path  # type: ignore[attr-defined,unused-ignore]
    exists, path.exists = path.exists, lru_cache(None)(path.exists)
    try:
        cov._init_for_start()
    finally:
        path.exists = exists
        collector.short_stack = short_stack


def remove_locks(collector: Any) -> None:
    """Replace the lock of a collector that has not started: the lock can hang the target.

    coverage takes it one bytecode before its `try`.  If a signal handler of the application's
    raises just there, it stays locked.  Then every thread that comes to a file for the first time
    waits for ever.  So does a child that is forked while another thread holds the lock.  The C
    tracer needs no lock but the GIL; sysmon needs one to add a missing set, for which `FirstStays`
    is enough.
    """
    collector.lock_data = collector.unlock_data = tuple  # C functions that do nothing much
    collector.data = FirstStays()
