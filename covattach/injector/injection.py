"""The report of an injector: its method, for how long it stopped the target, and how to cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Injection:
    """One line handed over to the target; only the agent's reply proves that it ran.

    `pause_ms` is how long the target was stopped.  `how` describes the way, for `-v`.  `cancel`
    withdraws a line that has not run yet; it may be called at any time, also twice.  `keeps_gil` is
    whether the thread sent waited for the outside world, and seemed to hold the GIL.
    """

    method: str
    pause_ms: float
    how: str
    transcript: list[str]
    cancel: Callable[[], None]
    keeps_gil: bool = False
