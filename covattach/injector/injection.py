"""What an injector reports: that the line was handed over, how, and what it cost the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Injection:
    """One line handed over to the target; that it ran, only the agent's reply can prove.

    `pause_ms` is for how long the target was stopped, `how` says what was done for `-v`, and
    `cancel` takes back what has not run yet.  It may be called at any time, also twice.
    `keeps_gil` is whether the target has the GIL while it waits for the outside world.
    """

    method: str
    pause_ms: float
    how: str
    transcript: list[str]
    cancel: Callable[[], None]
    keeps_gil: bool = False
