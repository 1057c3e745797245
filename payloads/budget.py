"""The budget: how much of the target's time the hook may take, and how much it takes.

Each event tells for how long the hook worked on it.  What that does not see is calibrated, here, in
the agent's own thread: how long the interpreter takes to call the hook, and, below 3.12, how much
slower plain bytecode is while there is a profiler at all.  From this comes a debt, paid off by the
time that passes: where it grows too large, the hook goes off until it is paid.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from . import cost
from .calls import GAP, counted

LARGEST = 0.02  # seconds of work that the hook may do in one go
ENOUGH = 0.015  # seconds that must be there for it to begin again
LEAST_BUSY = 0.25  # of a target that uses less of the time than this, so much counts as its time
LONGEST_EVENT = 20_000  # ns; what is more is another thread's turn
AROUND = 1.5  # the interpreter's own work around a call of the hook, beside the hook's
FIRST_GUESS = 4e-6  # seconds an event
SMOOTH = 0.3
ROUNDS = 2000


def plain(rounds: int) -> int:
    """Do what is neither a call nor calls anything."""
    total = 0
    for number in range(rounds):
        if number % 3:
            total += number
        total &= 1023
    return total


class Budget:
    """Seconds that the hook has, at `percent` of what the target does without it."""

    def __init__(self, percent: float, call: float, slow: float, seen: int) -> None:
        """Take what was calibrated: seconds a call, and the part of the time lost while it is on.

        `seen` is how many events have come until now.
        """
        self.share = percent / (100 + percent)
        self.call, self.slow = call, slow
        self.tokens = LARGEST
        self.each = FIRST_GUESS
        self.began = self.at = time.monotonic()
        self.cpu, self.own = time.process_time(), time.thread_time()
        self.seen = seen
        self.spent = self.base = self.watched = 0.0

    def account(self, seen: int, events: list[tuple[Any, ...]], is_on: bool) -> None:
        """Book the time since the last call, in which `seen` events have come in all.

        `events` are those of them that were kept.  Called in the agent's thread.
        """
        now, cpu, own = time.monotonic(), time.process_time(), time.thread_time()
        elapsed, busy, ours = now - self.at, cpu - self.cpu, max(own - self.own, 0.0)
        new, self.seen = seen - self.seen, seen
        self.at, self.cpu, self.own = now, cpu, own
        noted = [event[6] for event in events if event[0] != GAP]
        hook = sum(min(one, LONGEST_EVENT) for one in noted) / 1e9 + new * self.call
        if new:
            self.each += SMOOTH * (hook / new - self.each)
        slower = self.slow * max(busy - hook - ours, 0.0) if is_on else 0.0
        spent = hook + ours + slower
        base = min(max(busy, LEAST_BUSY * elapsed), elapsed)
        self.tokens = min(self.tokens + self.share * base - spent, LARGEST)
        self.spent += spent
        self.base += max(base, spent)
        self.watched += elapsed if is_on else 0.0

    def allowed(self) -> int:
        """Return how many events more the hook may be called for."""
        return int(max(self.tokens, 0.0) / max(self.each, 1e-8))

    def is_used_up(self) -> bool:
        """Tell whether the hook has had its share."""
        return self.tokens <= 0

    def is_there_again(self) -> bool:
        """Tell whether the hook may begin again."""
        return self.tokens >= ENOUGH

    def facts(self) -> dict[str, float]:
        """Return what is known so far: `cost` in per cent of the target's time, seconds."""
        return {
            "cost": round(100 * self.spent / max(self.base, 1e-9), 2),
            "watched": round(self.watched, 3),
            "seconds": round(self.at - self.began, 3),
        }


def calibrated(percent: float, hook: Any) -> Budget:
    """Return the budget for a hook, which is not on yet."""
    hook.is_on, hook.calls.allowed = True, sys.maxsize
    try:
        call = AROUND * cost.seconds_of(hook.see_nothing, ROUNDS) / ROUNDS
        slow = hook.slowness(plain, ROUNDS)
    finally:
        hook.is_on = False
    return Budget(percent, call, slow, counted(hook.calls.ticks))
