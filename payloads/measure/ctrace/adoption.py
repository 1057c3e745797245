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
from itertools import chain
from types import FrameType
from typing import Any

from ...errors import CannotAdopt, do_all
from ...interpreter import atomic, frames, greenlets
from ...interpreter.all_threads import EveryThread
from . import tracers
from .foreign_tracers import Rivals
from .frame_trace_functions import FrameFunctions
from .greenlet_flags import SAVED_WITH_STACK, TracingFlags, UnknownGreenlet
from .greenlet_tracers import GreenTracers
from .stacks import STALE, Stacks

__all__ = ["CannotAdopt", "CtraceAdoption"]
PASSES = 2  # over all stacks, the second for what moved during the first


class CtraceAdoption:
    """Adoption for one collector whose core is the C tracer; `note` takes warnings."""

    def __init__(self, collector: Any, note: Any) -> None:
        self.collector = collector
        self.note = note
        self.threads: EveryThread | None = None
        self.has_ended = False
        self.hook: Any = self.on_event  # one object, however many threads and frames have it
        self.stacks: Any = Stacks(collector, self.hook)
        self.green: Any = GreenTracers(collector, self.stacks.tell_frame)
        self.flags: TracingFlags | None = None
        self.functions: Any = FrameFunctions(self.hook, self.is_ours)
        self.rivals = Rivals()

    def start(self, ident: int) -> None:
        """Adopt all running threads but `ident`, the caller's; with 0, there is none to adopt.

        Raises CannotAdopt; then only threads that start later are measured.
        """
        started, self.collector.tracers = self.collector.tracers, tracers.Tracers()
        self.collector.tracers.extend(started)
        if not ident:
            return  # coverage has begun in this thread, and there is no other
        # The agent itself is not to be measured; coverage's `start` began with its thread.
        sys.settrace(None)
        self.threads = EveryThread()
        self.flags = self.flags_of_greenlets()
        # Decided here, so that the application's threads need not.
        known = self.collector.should_trace_cache
        for frame in frames.all_running(ident):
            name = frame.f_code.co_filename
            if name not in known:
                known[name] = self.collector.should_trace(name, frame)
        self.install()
        if STALE:
            for frame in frames.suspended():
                if frame.f_trace is None:
                    frame.f_trace = self.hook

    def flags_of_greenlets(self) -> TracingFlags | None:
        """Return the tracing flags of suspended greenlets, or None where none are known."""
        if not SAVED_WITH_STACK or greenlets.kind() is None:
            return None
        try:
            return TracingFlags()
        except UnknownGreenlet as reason:
            self.note(f"greenlets that are suspended now are not measured: {reason}")
            return None

    def look(self, on: bool) -> greenlets.Look:
        """Return a look at all frames, which turns tracing of suspended greenlets `on` or off."""
        return greenlets.Look(None if self.flags is None else partial(self.flags.calls, on=on))

    def install(self) -> None:
        """Give every thread our trace function, and then every frame that runs, which needs it.

        In this order nothing needs to stand still: what is called from now on is an event in a
        thread that has the function, and what was called before is on the stack until it ends.
        A thread that has one of somebody else's is left to that, as far as can be known.
        """
        assert self.threads is not None
        own = frames.own_ident()
        look = self.look(on=True)
        self.green.suspended = look.suspended  # is filled before another thread runs
        settled: set[int] = set()
        if self.threads.is_seen:
            had = self.threads.functions()
            settled = {ident for ident, one in had.items() if not tracers.is_inert(one)}
            self.rivals.see(filter(self.is_somebodys, had.values()))
            free = filter(tracers.is_inert, had.values())
            self.threads.give_where_none(self.hook, free, *look.calls)
        else:
            self.threads.set(self.hook, *look.calls)
        if not look.instrument():
            self.note("greenlets that are suspended now are not measured: no tool id is free")
        for _ in range(PASSES):
            green = [frame for frame in look.of_greenlets() if tracers.is_inert(frame.f_trace)]
            every = chain(frames.all_running(own, *settled), green)
            running = [frame for frame in every if not frames.is_inside(frame)]
            self.functions.give(running, self.stacks.lines if self.collector.branch else None)
        # What ended in the meantime must not be kept alive, nor what it refers to.
        self.stacks.keep_only(running)

    def tend(self) -> None:
        """Take back threads that other tools are done with; for the agent's thread only."""
        threads = None if self.has_ended else self.reachable()
        if threads is None:
            return
        hook = self.collector._installation_trace
        is_taken = not hook.is_set()
        if is_taken and hook.set_where_free():
            self.rivals.see_trace()
        if threads.is_seen:
            found = threads.functions().values()
            self.rivals.see(filter(self.is_somebodys, (*found, hook.current())))
            is_lost = any(map(tracers.is_inert, found))
        else:
            self.rivals.see(filter(self.is_somebodys, (hook.current(),)))
            is_lost = is_taken and hook.is_set() and not self.others()
        if is_lost:
            self.install()

    def told(self) -> list[str]:
        """Return the warnings about tools that have taken threads of ours."""
        return self.rivals.told()

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Start coverage's tracer in this thread of the application, at its next event.

        A fault of ours must not reach the application; what its own signal handlers raise must.
        """
        try:
            if sys.gettrace() != self.hook and not self.has_ended:
                frame.f_trace = None  # somebody else's thread, and that one calls it
                return None
            with atomic.one_setter():
                sys.settrace(None)
                if not self.has_ended:
                    self.adopt(frame, event, arg)
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                self.again()
                raise
            if isinstance(error, (RecursionError, MemoryError)) and not self.has_ended:
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
            if not self.has_ended:
                self.install()

        _thread.start_new_thread(readopt, ())

    def adopt(self, frame: FrameType, event: str, arg: Any) -> None:
        """Start coverage's tracer in this thread, which is at an event."""
        if frames.is_inside(list(frames.stack(frame))[-1]):
            return  # a thread of ours
        tracer = self.green.start(greenlets.root())
        if tracer is not None:
            self.stacks.tell(tracer, frame, event, arg)

    def rearm(self, taken: dict[str, Any]) -> None:
        """Do nothing: the C tracer reports every line each time."""

    def stop(self) -> None:
        """Take the tracers out of threads that may never wake to do it themselves.

        Called after coverage has stopped.  A frame's trace function would disturb a later debugger.
        """
        self.has_ended = True
        self.collector._start_tracer = tuple  # which a thread may be about to call
        frames.wait_for_others()
        steps = (self.green.stop, self.untrace, self.stacks.lines.clear, self.let_go)
        do_all(*(tracer.stop for tracer in self.collector.tracers), *steps)

    def untrace(self) -> None:
        """Take our trace functions off threads and frames."""
        if self.flags is not None and self.threads is not None and self.threads.is_profiled():
            self.flags = None  # that profiler needs them
        look = self.look(on=False)
        threads = self.reachable()
        if threads is not None and threads.is_seen:
            threads.take_where([self.hook, *self.collector.tracers], *look.calls)
        elif threads is not None and not self.others():
            threads.set(None, *look.calls)
            look.instrument()
        if self.is_ours(sys.gettrace()):
            sys.settrace(None)
        for _ in range(PASSES):
            self.functions.take(chain(frames.all_running(), look.of_greenlets()))

    def forget(self) -> None:
        """Drop the references that lead back to this object, once no thread is in its functions."""
        self.hook = self.green = self.stacks = self.functions = None

    def reachable(self) -> EveryThread | None:
        """Return the threads; None where each has to take its tracer off at its next event."""
        try:
            self.threads = self.threads or EveryThread()
        except CannotAdopt:
            return None
        return self.threads

    def is_ours(self, function: Any) -> bool:
        """Tell whether a trace function is ours or one of our coverage's tracers."""
        if isinstance(function, self.collector.core.tracer_class):
            return function.data is self.collector.data
        ours = (self.hook, self.collector._installation_trace)
        return function is not None and function in ours

    def is_somebodys(self, function: Any) -> bool:
        """Tell whether a trace function is one of others, who are at work."""
        return not tracers.is_inert(function) and not self.is_ours(function)

    def others(self) -> bool:
        """Tell whether somebody, a debugger say, has set a trace function since the start."""
        return any(self.is_somebodys(frame.f_trace) for frame in frames.all_running())

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
