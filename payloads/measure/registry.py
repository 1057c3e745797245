"""The cores that there are, found by their names and by coverage's classes."""

from __future__ import annotations

from typing import Any

from .core import Core
from .ctrace.adoption import CtraceAdoption
from .sysmon.adoption import SysmonAdoption

CORES: tuple[type[Core], ...] = (SysmonAdoption, CtraceAdoption)


def core_named(name: str) -> type[Core]:
    """Return the core with a user's name; raises KeyError."""
    return {core.name: core for core in CORES}[name]


def core_of(collector: Any) -> tuple[type[Core], str]:
    """Return the core that coverage has taken for a collector, and the user's name for it."""
    tracer = collector.tracer_name()
    found = next(core for core in CORES if tracer in core.tracers)
    return found, found.tracers[tracer]
