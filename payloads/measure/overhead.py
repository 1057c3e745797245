"""The overhead: how much longer the target takes because it is measured, estimated from above.

How often the C tracer is called cannot be seen from inside, and a pause without it, to compare,
would lose lines.  So the estimate has two parts.  Calibrated once, here: how many times as long a
piece of Python takes that is all lines, calls and returns.  And observed: how much of the time the
target spends on a processor, not counting waits for one.  Of that, the tracer has at most the
calibrated part; less where C code runs, which the tracer does not slow down.  sysmon reports a
place once: there it is the number of new points times the cost of a report.
"""

from __future__ import annotations

import os
import time
from _thread import get_native_id
from typing import Any

from ..interpreter import descriptors
from ..interpreter.cpu_time import seconds_of

PERIOD = 1.0  # seconds between two looks
PERIODS = 5  # so many are looked at together: a short burst is not a slow-down
ROUNDS = 300


class Item:
    """Something with an attribute, for `work`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def next(self) -> int:
        """Take one step, in a method with a test, additions and a return."""
        if self.number > 1 << 20:
            self.number = 0
        self.number += 3
        return self.number


def work() -> int:
    """Do ordinary things, a little on each line."""
    item = Item(ROUNDS)
    total = 0
    held = []
    for number in range(ROUNDS):
        value = item.next()
        if value % 2:
            total += value
        else:
            total -= number
        held.append(value)
    return total + len(held)


def on_processors(but: int) -> tuple[float, float]:
    """Return for how many seconds threads have run, and waited for a processor; all but one.

    On a busy machine a target waits for one most of the time, and is slowed down all the same
    (/proc/PID/schedstat, nanoseconds of both).  A thread that has ended is no longer counted.
    """
    ran = waited = 0
    for name in os.listdir("/proc/self/task"):
        try:
            running, waiting = descriptors.text(f"/proc/self/task/{name}/schedstat").split()[:2]
        except OSError:
            continue
        if int(name) != but:
            ran += int(running)
            waited += int(waiting)
    return ran / 1e9, waited / 1e9


class OverheadEstimate:
    """Tells when measuring costs more than `limit`, in per cent of the target's time without it.

    To be made before anything is measured; `begin` is called when that has begun.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.plain = seconds_of(work)
        self.factor = 1.0  # how many times as long traced Python takes
        self.report = 0.0  # seconds for one report, of a core that reports a line once
        self.looks: list[tuple[float, float, float, int]] = []
        self.percent = 0.0

    def begin(self, measurement: Any) -> None:
        """Calibrate for a measurement that has just begun; a fault in that stops it."""
        try:
            self.calibrate(measurement)
        except BaseException:
            measurement.stop()
            raise

    def calibrate(self, measurement: Any) -> None:
        """Calibrate the cost of measuring, on this machine, in this thread."""
        self.factor, self.report = measurement.adoption.calibrate(work, self.plain)

    def look(self, points: int) -> None:
        """Note time, CPU and the number of points now; compute `percent`, the cost, from them."""
        ran, waited = on_processors(get_native_id())
        self.looks = [*self.looks[-PERIODS:], (time.monotonic(), ran, waited, points)]
        first, last = self.looks[0], self.looks[-1]
        elapsed, ran, waited, new = (after - before for before, after in zip(first, last))
        if elapsed <= 0:
            return
        # Python runs in one thread at a time; any CPU time beyond is C code without the GIL.
        ran = min(max(ran, 0.0), elapsed)
        idle = max(elapsed - ran - max(waited, 0.0), 0.0)
        running = ran / max(ran + idle, 1e-9)
        reports = max(new, 0) * self.report / elapsed
        ours = min(running * (1 - 1 / self.factor) + reports, 0.99)
        self.percent = 100 * ours / (1 - ours)

    def is_too_high(self, points: int) -> bool:
        """Look; tell whether the target is slowed down beyond the limit, for long enough."""
        self.look(points)
        return len(self.looks) > PERIODS and self.percent > self.limit
