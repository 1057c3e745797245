"""coverage's cores: their names, and the best one for a measurement."""

from __future__ import annotations

import sys

CORES = {"SysMonitor": "sysmon", "CTracer": "ctrace", "PyTracer": "pytrace"}


def best_core(branch: bool, version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Return the core that measures this at the least cost: sysmon where it can."""
    # coverage itself takes sysmon from 3.14 on; for lines it is as good on 3.12 and 3.13.
    if version >= (3, 14) or (version >= (3, 12) and not branch):
        return "sysmon"
    return "ctrace"
