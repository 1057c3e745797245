"""The CPU time of a function call, as the least of several calls."""

from __future__ import annotations

import time
from typing import Any

REPEATS = 5


def seconds_of(function: Any, *arguments: Any) -> float:
    """Return the least CPU time, in seconds, that a call of `function` takes in this thread."""
    times = []
    for _ in range(REPEATS):
        began = time.thread_time()
        function(*arguments)
        times.append(time.thread_time() - began)
    return max(min(times), 1e-9)
