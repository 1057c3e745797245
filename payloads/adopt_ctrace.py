"""Adoption with the C tracer: measure the threads and frames that were running at the start.

A trace function belongs to a thread, and coverage gives its own only to the thread that calls
`start()` and to those that start later.  And the C tracer ignores a line event in a frame that it
did not see being called.  So each running thread is given a trace function of ours, which at the
thread's next event starts coverage's tracer there, and tells it of the frames already on the
stack, outermost first.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from types import FrameType
from typing import Any

from . import frames, gil, greenlets, tracers
from .every_thread import CannotAdopt, EveryThread
from .green_tracers import GreenTracers
from .tracing_flags import SAVED_WITH_STACK, TracingFlags, UnknownGreenlet

__all__ = ["CannotAdopt", "CtraceAdoption"]
# Before 3.10 a frame with a trace function knows its line only from what it was traced at, or from
# when it was given the function in Python: in C, coverage's tracer would leave it at the `def`.
STALE = sys.version_info[:2] < (3, 10)
PASSES = 2  # over all stacks, the second for what moved during the first


class CtraceAdoption:
    """Adoption for one collector whose core is the C tracer; `note` takes warnings."""

    def __init__(self, collector: Any, note: Any) -> None:
        self.collector = collector
        self.note = note
        self.threads: EveryThread | None = None
        self.ident = 0
        self.lines: dict[FrameType, int] = {}  # where each running frame was at the start
        self.stopped = False
        self.hook: Any = self.on_event  # one object, however many threads and frames have it
        self.green: Any = GreenTracers(collector, self.tell_frame)
        self.flags: TracingFlags | None = None

    def start(self, ident: int) -> None:
        """Adopt what runs, in all threads but `ident`, the caller; it is 0 if all begins here.

        Raises CannotAdopt; then only threads that start later are measured.
        """
        self.ident = ident
        started, self.collector.tracers = self.collector.tracers, tracers.Tracers()
        self.collector.tracers.extend(started)
        if not ident:
            return  # coverage has begun in this thread, and there is no other
        # The agent itself is not to be measured; coverage's `start` began with its thread.
        sys.settrace(None)
        self.threads = EveryThread()
        self.flags = self.flags_of_greenlets()
        # What can be done here is not done in the application's threads.
        known = self.collector.should_trace_cache
        for frame in frames.all_running(but=ident):
            name = frame.f_code.co_filename
            if name not in known:
                known[name] = self.collector.should_trace(name, frame)
        self.install()
        if STALE:
            for frame in frames.suspended():
                if frame.f_trace is None:
                    frame.f_trace = self.hook

    def flags_of_greenlets(self) -> TracingFlags | None:
        """Return what sets the flags of suspended greenlets, where they have one that is known."""
        if not SAVED_WITH_STACK or greenlets.kind() is None:
            return None
        try:
            return TracingFlags()
        except UnknownGreenlet as reason:
            self.note(f"greenlets that are suspended now are not measured: {reason}")
            return None

    def look(self, on: bool) -> greenlets.Look:
        """Return a look at what runs, which also has suspended greenlets traced or not."""
        return greenlets.Look(None if self.flags is None else partial(self.flags.calls, on=on))

    def install(self) -> None:
        """Give every thread our trace function, and then every frame that runs, which needs it.

        In this order nothing needs to stand still: what is called from now on is an event in a
        thread that has the function, and what was called before is on the stack until it ends.
        """
        assert self.threads is not None
        look = self.look(on=True)
        self.green.suspended = look.suspended  # is filled before another thread runs
        self.threads.set(self.hook, *look.calls)
        if not look.instrument():
            self.note("greenlets that are suspended now are not measured: no tool id is free")
        for _ in range(PASSES):
            every = chain(frames.all_running(but=self.ident), look.of_greenlets())
            running = [frame for frame in every if not frames.is_inside(frame)]
            missing = [frame for frame in running if tracers.is_free(frame)]
            given = gil.exhausting(map(setattr, missing, repeat("f_trace"), repeat(self.hook)))
            known = partial(self.lines.update, zip(missing, map(attrgetter("f_lineno"), missing)))
            if self.collector.branch:
                gil.at_once(known, given)
            else:
                gil.at_once(given)
        # What ended in the meantime must not be kept alive, nor what it refers to.
        for ended in set(self.lines).difference(running):
            self.lines.pop(ended, None)

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Start coverage's tracer in this thread of the application, at its next event.

        A fault of ours must not reach the application.  But what its own signal handlers raise,
        which can happen in here, is the application's.
        """
        try:
            sys.settrace(None)
            if not self.stopped:
                self.adopt(frame, event, arg)
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                self.again()
                raise
            if isinstance(error, (RecursionError, MemoryError)) and not self.stopped:
                sys.settrace(self.hook)  # try again where there is more room
                return self.hook
            self.note(f"a thread is not measured: {error!r}")
        # Not the tracer: what is returned would be set after a `stop` that comes just now.
        return None

    def again(self) -> None:
        """Have this thread adopted once more, from outside.

        For an exception that its trace function raises, CPython takes the function away.  Nobody
        sees one that is raised before the function's first line; then the thread is lost.
        """
        import _thread

        def readopt() -> None:
            if not self.stopped:
                self.install()

        _thread.start_new_thread(readopt, ())

    def adopt(self, frame: FrameType, event: str, arg: Any) -> None:
        """Start coverage's tracer in this thread, which is at an event."""
        tracer = self.green.start(greenlets.root())
        if tracer is not None:
            self.tell(tracer, frame, event, arg)

    def tell(self, tracer: Any, frame: FrameType, event: str, arg: Any) -> None:
        """Tell `tracer` of the frames on the stack, then of the event itself."""
        running = list(frames.stack(frame))
        if event == "call":
            running.pop(0)  # this one it is about to see
        before = self.lines.get(frame)
        tracer.should_start_context = None  # they are not entered now, see `entries`
        for outer in reversed(running):
            self.tell_frame(tracer, outer)
        tracer.should_start_context = self.collector.should_start_context
        if self.collector.branch and event == "line":
            if before is not None:
                shift = tracers.bits(self.collector)
                self.held_for(frame).add(before | frame.f_lineno << shift)
        else:
            tracer(frame, event, arg)

    def tell_frame(self, tracer: Any, frame: FrameType) -> None:
        """Tell `tracer` of one frame that is on a stack."""
        if STALE and frame.f_trace is None:
            frame.f_trace = self.hook
        tracer(frame, "call", None)
        if self.collector.branch:
            tracers.set_last_line(tracer, frame, self.held_for(frame))
        self.lines.pop(frame, None)

    def held_for(self, frame: FrameType) -> set[int]:
        """Return the set that coverage fills for the frame's file; one of no use if it is none."""
        disposition = self.collector.should_trace_cache.get(frame.f_code.co_filename)
        if disposition is None or not disposition.trace:
            return set()
        held: set[int] = self.collector.data[disposition.source_filename]
        return held

    def rearm(self, taken: dict[str, Any]) -> None:
        """Do nothing: the C tracer reports every line each time."""

    def stop(self) -> None:
        """Take the tracers out of threads that may never wake to do it themselves.

        Called after coverage has stopped.  A frame's own trace function goes too: left behind,
        it would disturb a debugger that comes later.
        """
        self.stopped = True
        # A thread may be about to start one, here or in coverage's own function for new threads.
        self.collector._start_tracer = tuple
        frames.wait_for_others()
        for tracer in self.collector.tracers:
            tracer.stop()
        self.green.stop()
        if self.flags is not None and self.threads is not None and self.threads.is_profiled():
            self.flags = None  # that profiler needs them
        look = self.look(on=False)
        threads = self.reachable()
        if threads is not None and not self.others():
            threads.set(None, *look.calls)
            look.instrument()
        for _ in range(PASSES):
            every = chain(frames.all_running(), look.of_greenlets())
            traced = [frame for frame in every if self.is_ours(frame.f_trace)]
            gil.at_once(gil.exhausting(map(setattr, traced, repeat("f_trace"), repeat(None))))
        self.lines.clear()
        self.let_go()

    def forget(self) -> None:
        """Refer no more to what refers to this, once no thread is in it."""
        self.hook = self.green = None

    def reachable(self) -> EveryThread | None:
        """Return the threads; None where each has to take its tracer off at its next event."""
        try:
            self.threads = self.threads or EveryThread()
        except CannotAdopt:
            return None
        return self.threads

    def is_ours(self, function: Any) -> bool:
        """Tell whether a trace function is ours or one of coverage's tracers."""
        return function is self.hook or isinstance(function, self.collector.core.tracer_class)

    def others(self) -> bool:
        """Tell whether somebody, a debugger say, has set a trace function since the start."""
        functions = [frame.f_trace for frame in frames.all_running()]
        return any(one is not None and not self.is_ours(one) for one in functions)

    def let_go(self) -> None:
        """Empty the tracers, which suspended generators may refer to for long."""
        ours = list(self.collector.tracers)
        if not frames.wait_for_others() or self.others():
            tracers.keep(ours)
            return
        if STALE:
            for frame in frames.holding([*ours, self.hook]):
                frame.f_trace = None
        for tracer in ours:
            tracers.empty(tracer)
