"""Adoption with the C tracer: measure the threads and frames that were running at the start.

A trace function belongs to a thread, and coverage gives its own only to the thread that calls
`start()` and to those that start later.  And the C tracer ignores a line event in a frame that it
did not see being called.  So each running thread is given a trace function of ours, which at the
thread's next event starts coverage's tracer there, and tells it of the frames already on the
stack, outermost first.
"""

from __future__ import annotations

import sys
from itertools import chain
from types import FrameType
from typing import Any, ClassVar

from ...errors import CannotAdopt, NoCoverage, do_all
from ...interpreter import atomic, frames, greenlets
from ...interpreter.all_threads import AllThreads
from .. import conflicts
from ..core import Core
from ..guard import decide_beforehand
from ..leftovers import is_inert
from . import tracers
from .calibration import seconds_traced
from .call_watcher import CallWatcher, ask_at_calls
from .foreign_tracers import ForeignTracers
from .frame_trace_functions import FrameTraceFunctions
from .greenlet_flags import GreenletFlags, flags_of_greenlets, look_at_all
from .greenlet_tracers import GreenletTracers
from .owners import Owners
from .stacks import Stacks

PASSES = 2  # over all stacks; the second finds frames that moved during the first


class CtraceAdoption(Core):
    """Adoption by the C tracer, or by coverage's tracer in Python where that takes its place."""

    name = "ctrace"
    tracers: ClassVar[dict[str, str]] = {"CTracer": "ctrace", "PyTracer": "pytrace"}
    refuse_conflicts = staticmethod(conflicts.refuse_tracers)

    @classmethod
    def prepare(cls, branch: bool) -> None:
        """Raise NoCoverage where coverage would fall back to its tracer in Python."""
        if not sys.modules["coverage.core"].CTRACER_FILE:  # type: ignore[attr-defined,unused-ignore]
            raise NoCoverage("this coverage has no C tracer for this interpreter")

    @classmethod
    def concurrency(cls) -> list[str]:
        """Return coverage's run:concurrency: thread, and greenlet if the application has it."""
        # gevent and eventlet run greenlets: to coverage all three are the same.
        return ["thread"] if greenlets.kind() is None else ["greenlet", "thread"]

    def __init__(self, collector: Any, guard: Any) -> None:
        super().__init__(collector, guard)
        self.note = guard.note
        self.threads: AllThreads | None = None
        self.has_ended = False
        self.hook: Any = self.on_event  # one object, however many threads and frames have it
        self.stacks: Any = Stacks(collector, self.hook)
        self.greenlet_tracers: Any = GreenletTracers(collector, self.stacks.tell_frame)
        self.flags: GreenletFlags | None = None
        self.owners: Any = Owners(collector, self.hook)
        self.functions: Any = FrameTraceFunctions(self.hook, self.owners.is_ours)
        self.foreign = ForeignTracers()

    def start(self, ident: int) -> None:
        """Adopt all running threads except the caller's, whose identifier is `ident`; with 0, none.

        Raises CannotAdopt; then only threads that start later are measured.
        """
        started, self.collector.tracers = self.collector.tracers, tracers.Tracers()
        self.collector.tracers.extend(started)
        if not ident:
            return  # coverage has begun in this thread, and there is no other
        # The agent itself is not to be measured; coverage's `start` began with its thread.
        sys.settrace(None)
        self.threads = AllThreads()
        self.flags = flags_of_greenlets(self.note)
        decide_beforehand(self.collector, frames.all_running(ident))
        self.install()
        if frames.STALE:
            for frame in frames.suspended():
                if frame.f_trace is None:
                    frame.f_trace = self.hook

    def install(self) -> None:
        """Set our trace function in every thread, and then in every running frame: both need it.

        In this order nothing needs to stand still.  A function called from now on causes an event
        in its thread, and one that was called before is on the stack until it ends.  A thread that
        has another tool's trace function is left to that tool, as far as can be known.
        """
        assert self.threads is not None
        own = frames.own_ident()
        look = look_at_all(self.flags, on=True)
        self.greenlet_tracers.suspended = look.suspended  # is filled before another thread runs
        settled: set[int] = set()
        if self.threads.can_read:
            had = self.threads.functions()
            settled = {ident for ident, one in had.items() if not is_inert(one)}
            self.foreign.update(filter(self.owners.is_somebodys, had.values()))
            free = filter(is_inert, had.values())
            self.threads.set_where_none(self.hook, free, *look.calls)
        else:
            self.threads.set(self.hook, *look.calls)
        if not look.instrument():
            self.note("greenlets that are suspended now are not measured: no tool id is free")
        for _ in range(PASSES):
            green = [frame for frame in look.of_greenlets() if is_inert(frame.f_trace)]
            every = chain(frames.all_running(own, *settled), green)
            running = [frame for frame in every if not frames.is_inside(frame)]
            self.functions.set_on(running, self.stacks.lines if self.collector.branch else None)
        # Frames that ended in the meantime must not be kept alive, nor the objects in them.
        self.stacks.keep_only(running)

    def maintain(self) -> None:
        """Re-adopt threads that other tools have traced and left; for the agent's thread only."""
        threads = None if self.has_ended else self.reachable()
        if threads is None:
            return
        hook = self.collector._installation_trace
        is_taken = not hook.is_set()
        if is_taken and hook.set_where_free():
            self.foreign.note_unknown()
        if threads.can_read:
            found = threads.functions().values()
            self.foreign.update(filter(self.owners.is_somebodys, (*found, hook.current())))
            is_lost = any(map(is_inert, found))
        else:
            self.foreign.update(filter(self.owners.is_somebodys, (hook.current(),)))
            is_lost = is_taken and hook.is_set() and not self.owners.has_others()
        if is_lost:
            self.install()

    def warnings(self) -> list[str]:
        """Return the warnings, as texts, about other tools that have traced threads of ours."""
        return self.foreign.warnings()

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Start coverage's tracer in this thread: the trace function that `install` sets.

        A fault of ours must not reach the application; errors of its own signal handlers must.
        """
        try:
            if sys.gettrace() != self.hook and not self.has_ended:
                frame.f_trace = None  # another tool traces this thread, and calls this
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
        # Not the tracer: CPython would set it, even after a `stop` that comes just now.
        return None

    def again(self) -> None:
        """Have another thread adopt this one once more.

        CPython removes a thread's trace function if it raises.  If an exception is raised before
        the function's first line, it cannot be caught here; then the thread is lost.
        """
        import _thread

        def readopt() -> None:
            if not self.has_ended:
                self.install()

        _thread.start_new_thread(readopt, ())

    def adopt(self, frame: FrameType, event: str, arg: Any) -> None:
        """Start coverage's tracer in this thread; tell it of the stack and of this event."""
        if frames.is_inside(list(frames.stack(frame))[-1]):
            return  # a thread of ours
        tracer = self.greenlet_tracers.start(greenlets.root())
        if tracer is not None:
            self.stacks.tell(tracer, frame, event, arg)

    def calibrate(self, work: Any, plain: float) -> tuple[float, float]:
        """Return the factor by which traced Python is slower, and 0.0: no report costs more."""
        return max(seconds_traced(self.collector, work) / plain, 1.0), 0.0

    def watch_calls(self, log: Any) -> None:
        """Have `log` note functions: tracers ask at each call whether a context starts there."""
        ask_at_calls(self.collector, CallWatcher(log).on_call)

    def unwatch_calls(self) -> None:
        """Have the tracers ask no more at calls."""
        ask_at_calls(self.collector, None)

    def stop(self) -> None:
        """Remove the tracers from all threads, some of which may never wake to do it themselves.

        Called after coverage has stopped.  A frame's trace function would disturb a later debugger.
        """
        self.has_ended = True
        self.collector._start_tracer = tuple  # which a thread may be about to call
        frames.wait_for_others()
        steps = (
            self.greenlet_tracers.stop,
            self.untrace,
            self.stacks.lines.clear,
            self.discard_tracers,
        )
        do_all(*(tracer.stop for tracer in self.collector.tracers), *steps)

    def untrace(self) -> None:
        """Remove our trace functions from threads and frames."""
        if self.flags is not None and self.threads is not None and self.threads.is_profiled():
            self.flags = None  # another tool's profile function needs them
        look = look_at_all(self.flags, on=False)
        threads = self.reachable()
        if threads is not None and threads.can_read:
            threads.remove_where([self.hook, *self.collector.tracers], *look.calls)
        elif threads is not None and not self.owners.has_others():
            threads.set(None, *look.calls)
            look.instrument()
        if self.owners.is_ours(sys.gettrace()):
            sys.settrace(None)
        for _ in range(PASSES):
            self.functions.restore(chain(frames.all_running(), look.of_greenlets()))

    def discard(self) -> None:
        """Drop references that form cycles with this object, once no thread is in its methods."""
        self.hook = self.greenlet_tracers = self.stacks = self.functions = self.owners = None

    def reachable(self) -> AllThreads | None:
        """Return access to all threads; None if their trace functions cannot be set from here."""
        try:
            self.threads = self.threads or AllThreads()
        except CannotAdopt:
            return None
        return self.threads

    def discard_tracers(self) -> None:
        """Empty the tracers, to which suspended generators may refer; or keep any still in use."""
        ours = list(self.collector.tracers)
        if not frames.wait_for_others() or self.owners.has_others():
            tracers.keep(ours)
        else:
            tracers.discard(ours, self.hook)
