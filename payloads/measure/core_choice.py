"""The names of coverage's cores, and the best one for a measurement; `covattach` uses it too."""

from __future__ import annotations

import sys

# By core, the cheapest first: the first version of Python in which it can measure lines, and the
# first in which it can measure branches.  coverage itself takes sysmon from 3.14 on; for lines it
# is as good on 3.12 and 3.13.
SINCE = {
    "sysmon": ((3, 12), (3, 14)),
    "ctrace": ((3,), (3,)),
}
NAMES = tuple(SINCE)
PURE_PYTHON = ("sysmon",)  # no extension module: one coverage fits all versions
SLOW_ALWAYS = ("ctrace",)  # slows down every execution of a line, not only the first
OWN = sys.version_info[:2]


def exists(core: str, version: tuple[int, ...] = OWN) -> bool:
    """Tell whether Python `version`, by default the running one, has this core."""
    return version >= SINCE[core][0]


def can_measure(core: str, branch: bool, version: tuple[int, ...] = OWN) -> bool:
    """Tell whether `core` can measure lines, or with `branch` branches too, in Python `version`."""
    return version >= SINCE[core][branch]


def best_core(branch: bool, version: tuple[int, ...] = OWN) -> str:
    """Return the name of the cheapest core for lines, or with `branch` for branches too."""
    return next(core for core in NAMES if can_measure(core, branch, version))
