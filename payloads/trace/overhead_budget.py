"""The budget of a trace's hook: how much of the target's time it may take, and how much it takes.

Each event tells for how long the hook worked on it.  Two further costs are calibrated here, in the
agent's own thread.  One is how long the interpreter takes to call the hook.  Below 3.12, the other
is how much slower plain bytecode is under a profile function.  All three add to a debt, which is
paid off as time passes.  Where it grows too large, the hook goes off until it is paid.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ..interpreter.cpu_time import seconds_of
from .event_buffer import EventBuffer, counted
from .event_kinds import CALL, GAP, UNLIMITED

LARGEST = 0.02  # seconds of work that the hook may do in one go
ENOUGH = 0.015  # seconds that must be in the budget for the hook to go on
LEAST_BUSY = 0.25  # the part of the time that counts as the target's, even if it is idle
LONGEST_EVENT = 20_000  # ns; any more is another thread's turn
AROUND = 1.5  # the interpreter's own work around a call of the hook, beside the hook's
FIRST_GUESS = 4e-6  # seconds an event
SMOOTH = 0.3  # weight of the newest figure in an average
ROUNDS = 2000


def plain(rounds: int) -> int:
    """Run plain bytecode, without a call, to be timed; the result means nothing."""
    total = 0
    for number in range(rounds):
        if number % 3:
            total += number
        total &= 1023
    return total


class OverheadBudget:
    """The seconds that the hook may take: `percent` of the target's time without it.

    `costs` are the calibrated ones.  `calls` counts the events, from now on.
    """

    def __init__(self, percent: float, costs: Costs, calls: EventBuffer) -> None:
        self.share = percent / (100 + percent)
        self.is_unlimited = percent >= UNLIMITED
        self.costs, self.calls = costs, calls
        self.tokens = LARGEST
        self.each = FIRST_GUESS
        self.began = self.at = time.monotonic()
        self.cpu, self.own = time.process_time(), time.thread_time()
        self.seen, self.dropped = counted(calls.ticks), counted(calls.drops)
        self.spent = self.base = self.watched = 0.0

    def account(self, events: list[tuple[Any, ...]], watched: float) -> None:
        """Book the time since the last call: earned by the target's work, spent by the hook's.

        The hook was on for `watched` seconds of it, and `events` were seen and kept.  Called in the
        agent's thread.
        """
        now, cpu, own = time.monotonic(), time.process_time(), time.thread_time()
        elapsed, busy, ours = now - self.at, cpu - self.cpu, max(own - self.own, 0.0)
        self.at, self.cpu, self.own = now, cpu, own
        hook = self.of_the_hook(events)
        on = min(watched / elapsed, 1.0) if elapsed > 0 else 0.0
        slower = self.costs.slow * on * max(busy - hook - ours, 0.0)
        spent = hook + ours + slower
        base = min(max(busy, LEAST_BUSY * elapsed), elapsed)
        self.tokens = min(self.tokens + self.share * base - spent, LARGEST)
        self.spent += spent
        self.base += max(base, spent)
        self.watched += watched

    def of_the_hook(self, events: list[tuple[Any, ...]]) -> float:
        """Return the seconds that the hook has worked since the last call, for `events`."""
        seen, dropped = counted(self.calls.ticks), counted(self.calls.drops)
        new, lost = seen - self.seen, dropped - self.dropped
        self.seen, self.dropped = seen, dropped
        kept: float = sum(min(event[6], LONGEST_EVENT) for event in events if event[0] != GAP) / 1e9
        seconds = kept + new * self.costs.call + lost * self.costs.drop
        if new:
            self.each += SMOOTH * (seconds / new - self.each)
        return seconds

    def allowed(self) -> int:
        """Return the number of events since the begin up to which the hook may work."""
        if self.is_unlimited:
            return sys.maxsize
        return self.seen + int(max(self.tokens, 0.0) / max(self.each, 1e-8))

    def is_used_up(self) -> bool:
        """Tell whether the budget is used up, so that the hook has to pause."""
        return self.tokens <= 0 and not self.is_unlimited

    def is_there_again(self) -> bool:
        """Tell whether the budget suffices for the paused hook to go on."""
        return self.tokens >= ENOUGH

    def facts(self) -> dict[str, float]:
        """Return the state so far: `cost` in per cent of the target's time, the rest in seconds.

        `watched` is how long the hook was on, and `seconds` how long the trace has taken.
        """
        return {
            "cost": round(100 * self.spent / max(self.base, 1e-9), 2),
            "watched": round(self.watched, 3),
            "seconds": round(self.at - self.began, 3),
        }


class Costs:
    """The costs of a hook in this process, in seconds: of a call of it, and of dropping an event.

    `slow` is the part of its time, from 0 to 1, that all bytecode loses while the hook is on.
    """

    def __init__(self, call: float, drop: float, slow: float) -> None:
        self.call = call
        self.drop = drop
        self.slow = slow


def calibrated(hook: Any, trial: EventBuffer) -> Costs:
    """Return the costs of a hook that is not on yet; `trial` is a buffer for nothing else."""
    trial.most, trial.threads.local.number = 0, 1  # everything is dropped
    frame = sys._getframe()
    function = trial.functions.look(frame.f_code, frame.f_globals)

    def drop() -> None:
        for _ in range(ROUNDS):
            trial.note(CALL, function, frame, 0, None)

    dropping = seconds_of(drop)
    hook.is_on, hook.calls.allowed = True, sys.maxsize
    try:
        call = AROUND * seconds_of(hook.see_nothing, ROUNDS)
        slow = hook.slowness(plain, ROUNDS)
    finally:
        hook.is_on = False
    return Costs(call / ROUNDS, dropping / ROUNDS, slow)
