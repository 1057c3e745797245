"""Waiting for a condition, with a deadline and words for what was waited for in vain."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 90.0  # seconds for anything to happen: more than a loaded machine needs
Found = TypeVar("Found")


def ticks() -> float:
    """Return the time since the boot in ticks, in which the kernel tells when a process began."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")


def wait_for(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Return the result of `condition` as soon as it is true; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        select.select([], [], [], 0.001)  # let others run
