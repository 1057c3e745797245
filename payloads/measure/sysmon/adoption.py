"""Adoption with the sysmon core: measure the frames that were running before the start.

sys.monitoring tells coverage of a code object when a function is *entered* (PY_START).  The code of
functions entered earlier is adopted here.  For running frames this is done at once.  For suspended
generators and coroutines it is done when they are resumed, which coverage's tool id listens to for
us.  No event tells of a greenlet that is resumed, so the code on the stacks of greenlets is adopted
at once too.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from types import CodeType, FrameType
from typing import Any, ClassVar

from ...coverage_import import lazy_import
from ...errors import do_all
from ...interpreter import frames, greenlets
from ...interpreter.cpu_time import seconds_of
from .. import conflicts
from ..core import Core
from ..guard import Guard
from . import monitoring_tool
from .code_objects import WeakCodeObjects
from .line_events import LineEventPruner, has_no_line_left
from .line_watcher import LineWatcher

REPORTS_TIMED = 300
INTERPRETER = 2.0  # a report costs about as much again in the interpreter, which switches it off
# coverage's callbacks that fill its sets (coverage/sysmon.py), and the arguments of each.
REPORTS = {
    "sysmon_line_lines": ("code", "line_number"),
    "sysmon_line_arcs": ("code", "line_number"),
    "sysmon_py_return": ("code", "instruction_offset", "retval"),
    "sysmon_branch_either": ("code", "instruction_offset", "destination_offset"),
}


class SysmonAdoption(Core):
    """Adoption by the sysmon core, which needs Python 3.12."""

    name = "sysmon"
    tracers: ClassVar[dict[str, str]] = {"SysMonitor": "sysmon"}
    stops_first = True
    beginning = staticmethod(monitoring_tool.beginning)
    undo_failed_start = staticmethod(monitoring_tool.uninstall_all)
    # A debugger, a trace function and other tools work beside it.
    refuse_conflicts = staticmethod(conflicts.refuse_if_no_free_tool_id)

    @classmethod
    def prepare(cls, branch: bool) -> None:
        """Import coverage's parser of sources if `branch`, or the application's threads would."""
        if branch:
            lazy_import.import_parsers()

    def __init__(self, collector: Any, guard: Guard) -> None:
        super().__init__(collector, guard)
        self.guard = guard
        self.tracer = collector.tracers[0]
        self.tool: int = self.tracer.myid
        self.monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self.codes = WeakCodeObjects(self.tracer)
        self.pruner = LineEventPruner(self.tracer)
        self.watcher: LineWatcher | None = None

    def adopt(self, code: CodeType, frame: FrameType) -> None:
        """Have coverage measure `code`, of which `frame` is a running frame.

        To decide about a file, coverage looks at the calling frame for the module.  Here that would
        be ours, so the decision is made beforehand, with `frame`.
        """
        cache = self.collector.should_trace_cache
        if code.co_filename not in cache:
            cache[code.co_filename] = self.collector.should_trace(code.co_filename, frame)
        if not cache[code.co_filename].trace:
            return  # coverage would keep a note of each such code object, to no use
        self.codes.check(code)
        self.tracer.sysmon_py_start(code, 0)
        # coverage notes that it knows the code before it sets its events.  A thread that comes
        # in between is told that all is done, and would run lines that nobody reports.
        info = self.tracer.code_infos.get(id(code))
        is_new = info is not None and info.tracing and not self.local_events(code)
        # No other thread has its turn between the look at `sysmon_on` and the call.
        if is_new and not has_no_line_left(info) and self.tracer.sysmon_on:
            self.monitoring.set_local_events(self.tracer.myid, code, self.pruner.all)

    def local_events(self, code: CodeType) -> int:
        """Return the events that coverage listens to in `code`, as a bit mask."""
        return int(self.monitoring.get_local_events(self.tracer.myid, code))

    def on_start(self, code: CodeType, offset: int) -> Any:
        """Handle the entry of a function in coverage's place, in a way that is safe for threads."""
        self.adopt(code, sys._getframe(2))  # the guard is between
        return self.monitoring.DISABLE

    def on_resume(self, code: CodeType, offset: int) -> Any:
        """Adopt the code of a generator that is resumed, once for each place in it."""
        self.adopt(code, sys._getframe(2))  # the guard is between
        return self.monitoring.DISABLE

    def on_throw(self, code: CodeType, offset: int, exception: BaseException) -> None:
        """Adopt the code of a generator whose first resumption is a throw() or a close()."""
        self.adopt(code, sys._getframe(2))  # the guard is between

    def start(self, ident: int) -> None:
        """Register our callbacks, and adopt all running threads except the caller's.

        `ident` is the identifier of the caller's thread; with 0, nothing is adopted.
        """
        events = self.monitoring.events
        tool = self.tracer.myid
        self.report_lines_to(self.pruner.on_line)
        callbacks = {
            "INSTRUCTION": self.pruner.on_instruction,
            "PY_START": self.on_start,
            "PY_RESUME": self.on_resume,
        }
        if self.tracer.trace_arcs:
            callbacks["PY_RETURN"] = self.tracer.sysmon_py_return
            callbacks["BRANCH_LEFT"] = callbacks["BRANCH_RIGHT"] = self.tracer.sysmon_branch_either
        for name, callback in callbacks.items():
            safe = self.guard.guarded(callback, self.monitoring.DISABLE)
            self.monitoring.register_callback(tool, getattr(events, name), safe)
        throw = self.guard.guarded(self.on_throw, None)  # such events cannot be disabled
        self.monitoring.register_callback(tool, events.PY_THROW, throw)
        self.monitoring.set_events(tool, events.PY_START | events.PY_RESUME | events.PY_THROW)
        # Listening first: a generator is either suspended now and resumed later, or it is running.
        for frame in list(greenlets.look().frames()) if ident else ():
            self.adopt(frame.f_code, frame)

    def report_lines_to(self, listener: Any) -> None:
        """Register `listener` as the callback for line events."""
        self.pruner.listener = listener
        safe = self.guard.guarded(listener, self.monitoring.DISABLE)
        self.monitoring.register_callback(self.tracer.myid, self.monitoring.events.LINE, safe)

    def rearm(self, taken: dict[str, Any]) -> None:
        """Have every line reported again, after the data `taken` was removed from coverage's sets.

        After one event sysmon disables the place.  Events are renewed only in files that had data
        in `taken`, by setting our tool id's local events anew, which disturbs no other tool.
        """
        emptied = {id(self.collector.data[name]) for name, held in taken.items() if held}
        underway = self.reports_underway()
        for code in list(self.tracer.code_objects):
            info = self.tracer.code_infos.get(id(code))
            if info is not None and id(info.file_data) in emptied:
                # The next line is not the successor of one that was reported long ago.
                info.last_line = None
                self.toggle(code, self.pruner.listen_again(info))
        for frame in underway:
            self.report_again(frame)

    def toggle(self, code: CodeType, events: int) -> None:
        """Have lines of `code` whose events were disabled reported again.

        Its local events are cleared and set at once: no other thread runs in between.  `events`
        is their bit mask; 0 stands for the events that are set now.
        """
        events = events or self.local_events(code)
        if events:  # otherwise coverage is about to set them, for the first time
            calls = (self.tracer.myid,) * 2, (code,) * 2, (0, events)
            deque(map(self.monitoring.set_local_events, *calls), 0)

    def reports_underway(self) -> list[FrameType]:
        """Return the frames of coverage's callbacks that threads are in.

        Such a callback may have added its line to a set before that was emptied.  And it may
        disable its place after we have renewed the events.
        """
        callbacks = {getattr(type(self.tracer), name).__code__ for name in REPORTS}
        callbacks.update(
            (LineWatcher.on_line.__code__, LineEventPruner.on_line.__code__)
        )  # around those
        return [frame for frame in frames.all_running() if frame.f_code in callbacks]

    def report_again(self, frame: FrameType) -> None:
        """Repeat the report of the callback in `frame`: the reported code runs right after it."""
        name, known = frame.f_code.co_name, frame.f_locals
        if name == LineWatcher.on_line.__name__:
            name = "sysmon_line_arcs" if self.tracer.trace_arcs else "sysmon_line_lines"
        code, *rest = (known[argument] for argument in REPORTS[name])
        info = self.tracer.code_infos.get(id(code))
        if info is None or info.file_data is None:
            return
        if name == "sysmon_line_arcs":  # by itself, it would also tell of a line before it
            info.file_data.add((rest[0], rest[0]))
        else:
            getattr(self.tracer, name)(code, *rest)

    def calibrate(self, work: Any, plain: float) -> tuple[float, float]:
        """Return 1.0, as Python is not slower otherwise, and the seconds that a report takes."""
        report, code = self.pruner.on_line, work.__code__
        seconds = seconds_of(lambda: [report(code, 1) for _ in range(REPORTS_TIMED)])
        return 1.0, INTERPRETER * seconds / REPORTS_TIMED

    def watch_calls(self, log: Any) -> None:
        """Have `log`, a `FirstCalls`, note each function with a line that is reported."""
        self.watcher = LineWatcher(log, self.pruner.listener)
        self.report_lines_to(self.watcher.on_line)

    def unwatch_calls(self) -> None:
        """Have lines reported to coverage alone, as before."""
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            self.report_lines_to(watcher.usual)

    def warnings(self) -> list[str]:
        """Return the warnings as texts: one if another tool has taken our tool id, or none."""
        holder = self.monitoring.get_tool(self.tool)
        if holder == monitoring_tool.NAME:
            return []
        taken = f"the tool id {self.tool} of sys.monitoring was taken away, by {holder}"
        return [f"{taken}: nothing is measured since"]

    def discard(self) -> None:
        """Drop references that form cycles with this object, once no thread is in its methods."""
        self.pruner.listener = self.watcher = None

    def stop(self) -> None:
        """Switch off all events and free the tool id; called while coverage still measures.

        coverage itself leaves local events and callbacks behind, which on 3.12.1 keeps the
        target 56 % slower for good.
        """
        with self.tracer.lock:
            # From here on a thread that is just entering a function sets no more events.
            was_on, self.tracer.sysmon_on = self.tracer.sysmon_on, False
        if not was_on or self.monitoring.get_tool(self.tool) != monitoring_tool.NAME:
            return
        do_all(self.silence, partial(monitoring_tool.uninstall, self.tool), self.codes.discard)

    def silence(self) -> None:
        """Switch off the local events of each code object that coverage knows."""
        for code in list(self.tracer.code_objects):
            self.monitoring.set_local_events(self.tool, code, 0)
