"""Waiting for a condition, with a deadline, and a message that says what did not happen."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 90.0  # seconds for anything to happen: more than a loaded machine needs
Found = TypeVar("Found")


def ticks() -> float:
    """Return the time since boot in clock ticks, as /proc has the start time of a process."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")


def wait_for(condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
    """Return the result of `condition` once it is true; fail after `seconds`, naming `what`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        select.select([], [], [], 0.001)  # let others run
