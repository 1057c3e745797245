"""An upper estimate of the overhead: how much longer the target takes because it is measured.

The number of calls of the C tracer cannot be seen from inside, and a pause without it, to compare,
would lose lines.  So the estimate has two parts.  The first is calibrated once: the factor by which
Python code slows down that is all lines, calls and returns.  The second is observed: the part of
the time that the target spends on a processor, not counting waits for one.  Of that, the tracer has
at most the calibrated part; less where C code runs, which the tracer does not slow down.  sysmon
reports a line only once: there the cost is the number of new lines or arcs times that of a report.
"""

from __future__ import annotations

import os
import time
from _thread import get_native_id
from typing import Any

from ..interpreter import descriptors
from ..interpreter.cpu_time import seconds_of

PERIOD = 1.0  # seconds between two samples
PERIODS = 5  # for one estimate: a short burst is not a slow-down
ROUNDS = 300


class Item:
    """An object with an attribute, for `work`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def next(self) -> int:
        """Take one step: a method with a test, additions and a return, for `work`."""
        if self.number > 1 << 20:
            self.number = 0
        self.number += 3
        return self.number


def work() -> int:
    """Execute ordinary statements, a little on each line, to be timed; the result means nothing."""
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
    """Return the seconds that threads have run, and those that they have waited for a processor.

    The thread with the native id `but` is left out.  On a busy machine a target mostly waits, and
    is slowed down all the same.  The kernel has both numbers, in nanoseconds, in
    /proc/PID/task/TID/schedstat.  A thread that has ended is no longer counted.
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
    """Estimates the overhead of measuring, and tells when it is above `limit`.

    Both are in per cent of the target's time without measuring.  It is to be made before anything
    is measured; `begin` is called when that has begun.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.plain = seconds_of(work)
        self.factor = 1.0  # how many times as long traced Python takes
        self.report = 0.0  # seconds for one report, of a core that reports a line once
        self.looks: list[tuple[float, float, float, int]] = []
        self.percent = 0.0

    def begin(self, measurement: Any) -> None:
        """Calibrate for `measurement`, which has just begun; stop it if that raises."""
        try:
            self.calibrate(measurement)
        except BaseException:
            measurement.stop()
            raise

    def calibrate(self, measurement: Any) -> None:
        """Set `factor` and `report`, the costs of measuring, by timing them in this thread."""
        self.factor, self.report = measurement.adoption.calibrate(work, self.plain)

    def look(self, points: int) -> None:
        """Take a sample of times and `points`; compute `percent`, the overhead, from samples.

        `points` is the number of lines or arcs in coverage's sets.
        """
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
        """Take a sample; tell whether the overhead over PERIODS samples is above the limit."""
        self.look(points)
        return len(self.looks) > PERIODS and self.percent > self.limit
