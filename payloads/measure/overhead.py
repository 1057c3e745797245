"""The cost: how much longer the target takes because it is measured, estimated from above.

How often the C tracer is called cannot be seen from inside, and a pause without it, to compare,
would lose lines.  So the estimate has two parts.  Calibrated once, here: how many times as long a
piece of Python takes that is all lines, calls and returns.  And observed: how much of the time the
target spends on a processor, not counting waits for one.  Of that, the tracer has at most the
calibrated part; less where C code runs, which the tracer does not slow down.  sysmon reports a
place once: there it is the number of new points times the cost of a report.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_native_id
from typing import Any

from ..interpreter import descriptors
from ..interpreter.cpu_time import seconds_of

PERIOD = 1.0  # seconds between two looks
PERIODS = 5  # so many are looked at together: a short burst is not a slow-down
ROUNDS = 300
INTERPRETER = 2.0  # a report costs about as much again in the interpreter, which switches it off


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


def work(rounds: int) -> int:
    """Do ordinary things, a little on each line."""
    item = Item(rounds)
    total = 0
    held = []
    for number in range(rounds):
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


class Cost:
    """Tells when measuring costs more than `limit`, in per cent of the target's time without it.

    To be made before anything is measured; `begin` is called when that has begun.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.plain = seconds_of(work, ROUNDS)
        self.factor = 1.0  # how many times as long traced Python takes
        self.report = 0.0  # seconds for one report of sysmon
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
        if measurement.core == "sysmon":
            report, code = measurement.adoption.quiet.on_line, work.__code__
            one = seconds_of(lambda: [report(code, 1) for _ in range(ROUNDS)])
            self.report = INTERPRETER * one / ROUNDS
            return
        own = self.tracer_like(measurement.snapshots.collector)
        try:
            own.start()
            traced = seconds_of(work, ROUNDS)
        finally:
            own.stop()
            sys.settrace(None)
        self.factor = max(traced / self.plain, 1.0)

    def tracer_like(self, collector: Any) -> Any:
        """Return a tracer that does all that the collector's do, and keeps it to itself."""
        core = collector.core
        own = core.tracer_class(**core.tracer_kwargs)
        disposition = core.file_disposition_class()
        name = work.__code__.co_filename
        disposition.original_filename = disposition.canonical_filename = name
        disposition.source_filename, disposition.trace, disposition.reason = name, True, ""
        disposition.file_tracer, disposition.has_dynamic_filename = None, False
        own.data, own.file_tracers = {name: set()}, {}
        own.should_trace_cache = {name: disposition}
        own.should_trace = own.check_include = own.warn = lambda *_: disposition
        own.lock_data = own.unlock_data = tuple
        own.trace_arcs = collector.branch
        # The C tracer looks at each without asking whether it is there.
        own.concur_id_func = own.should_start_context = own.switch_context = None
        own.disable_plugin = tuple
        return own

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
