"""The classes of all cores of coverage, found by name or by a collector."""

from __future__ import annotations

from typing import Any

from .core import Core
from .ctrace.adoption import CtraceAdoption
from .sysmon.adoption import SysmonAdoption

CORES: tuple[type[Core], ...] = (SysmonAdoption, CtraceAdoption)


def core_named(name: str) -> type[Core]:
    """Return the `Core` class for `name`, ctrace or sysmon as in --core; raises KeyError."""
    return {core.name: core for core in CORES}[name]


def core_of(collector: Any) -> tuple[type[Core], str]:
    """Return the `Core` class of the core that coverage has chosen for `collector`, and its name.

    The name is the user's: pytrace, say, where coverage's tracer in Python takes the place of
    ctrace.
    """
    tracer = collector.tracer_name()
    found = next(core for core in CORES if tracer in core.tracers)
    return found, found.tracers[tracer]
