"""The names of coverage's cores, and the best one for a measurement; both sides import this."""

from __future__ import annotations

import sys

# The cheapest first: since which Python it can measure lines, and since which branches.  coverage
# itself takes sysmon from 3.14 on; for lines it is as good on 3.12 and 3.13.
SINCE = {
    "sysmon": ((3, 12), (3, 14)),
    "ctrace": ((3,), (3,)),
}
NAMES = tuple(SINCE)
PURE_PYTHON = ("sysmon",)  # one coverage fits all versions
SLOW_ALWAYS = ("ctrace",)  # and not only until each line has been reported
OWN = sys.version_info[:2]


def exists(core: str, version: tuple[int, ...] = OWN) -> bool:
    """Tell whether a Python of that version has this core."""
    return version >= SINCE[core][0]


def can_measure(core: str, branch: bool, version: tuple[int, ...] = OWN) -> bool:
    """Tell whether a core can measure this in a Python of that version."""
    return version >= SINCE[core][branch]


def best_core(branch: bool, version: tuple[int, ...] = OWN) -> str:
    """Return the core that measures this at the least cost."""
    return next(core for core in NAMES if can_measure(core, branch, version))
