"""The hook from Python 3.12 on: `sys.monitoring`, with a tool id of its own.

Code that is not shown is switched off by DISABLE, place by place, and costs nothing afterwards.
The places stay disabled for that tool id after the trace.  They are enabled for our tool id alone,
without `restart_events`, which would enable those of all tools.  A place is enabled when an event
of its code object goes and comes (Python/instrumentation.c).  So at the end the events are set
locally for each code object, and cleared.
"""

from __future__ import annotations

import sys
from functools import partial
from types import CodeType
from typing import Any

from ..errors import Refused, do_all
from ..interpreter import frames, tool_ids
from .event_buffer import EventBuffer, clock
from .event_kinds import CALL, RAISE, RESUME, RETURN, YIELD

NAME = "covattach trace"
# Not 0, a debugger's, nor 2, which cProfile insists on; coverage takes the first that is free.
TOOLS = (4, 3, 5, 1)
LOCAL = ("PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME")  # which can be disabled at a place
OTHER = ("PY_UNWIND", "PY_THROW")  # which cannot be disabled


class MonitoringHook:
    """Callbacks of `sys.monitoring` that write events of all threads to the buffer `calls`.

    `is_on` while the events are switched on.
    """

    def __init__(self, calls: EventBuffer) -> None:
        """Choose a free tool id; raises Refused where all are taken."""
        self.calls = calls
        self.monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool = tool_ids.free(TOOLS)
        if tool is None:
            holders = tool_ids.holders(TOOLS)
            raise Refused(f"all sys.monitoring tool ids are taken, by {holders}")
        self.tool = tool
        self.is_on = self.has_ended = False
        self.on_since = self.off_since = 0
        names = LOCAL + OTHER if calls.returns else LOCAL[:1]
        self.events = sum(getattr(self.monitoring.events, name) for name in names)

    def install(self) -> None:
        """Take the tool id, and register the callbacks; no event is on yet."""
        self.monitoring.use_tool_id(self.tool, NAME)
        for name, callback in self.callbacks().items():
            self.monitoring.register_callback(
                self.tool, getattr(self.monitoring.events, name), callback
            )

    def callbacks(self) -> dict[str, Any]:
        """Return the callback of each event, by the event's name."""
        return {
            "PY_START": self.on_start,
            "PY_RETURN": self.on_return,
            "PY_YIELD": self.on_yield,
            "PY_RESUME": self.on_resume,
            "PY_UNWIND": self.on_unwind,
            "PY_THROW": self.on_throw,
        }

    def resume(self) -> None:
        """Switch the events on, in all threads; for the agent's thread only."""
        self.on_since = clock()
        self.is_on = True
        self.monitoring.set_events(self.tool, self.events)

    def pause(self) -> None:
        """Switch the events off; also called in the thread that finds the budget used up."""
        if self.is_on and not self.has_ended:
            self.is_on = False
            self.off_since = clock()
            self.monitoring.set_events(self.tool, 0)

    def maintain(self) -> None:
        """Do nothing: every thread, also a new one, has the events of sys.monitoring."""

    def see(self, kind: int, code: CodeType, value: object = None) -> Any:
        """Note an event of the frame two levels up the stack, which a callback has handed to this.

        Returns DISABLE for a function that is not shown, or None.
        """
        try:
            began = clock()
            if not self.is_on:
                return None
            function = self.calls.functions.known.get(id(code))
            if function is None:
                frame = sys._getframe(2)
                function = self.calls.functions.look(code, frame.f_globals)
            if self.calls.tick() >= self.calls.allowed:
                self.pause()
            if not function.number:
                return self.monitoring.DISABLE
            self.calls.note(kind, function, sys._getframe(2), began, value)
        except BaseException as error:
            self.calls.fault(error)
        return None

    def on_start(self, code: CodeType, offset: int) -> Any:
        """Note that a function is entered."""
        return self.see(CALL, code)

    def on_return(self, code: CodeType, offset: int, value: object) -> Any:
        """Note that a function returns `value`."""
        return self.see(RETURN, code, value)

    def on_yield(self, code: CodeType, offset: int, value: object) -> Any:
        """Note that a generator yields `value`, or that a coroutine waits."""
        return self.see(YIELD, code, value)

    def on_resume(self, code: CodeType, offset: int) -> Any:
        """Note that a generator or coroutine goes on."""
        return self.see(RESUME, code)

    def on_unwind(self, code: CodeType, offset: int, error: BaseException) -> None:
        """Note that a function is left by an exception."""
        self.see(RAISE, code)

    def on_throw(self, code: CodeType, offset: int, error: BaseException) -> None:
        """Note that a generator goes on with an exception, thrown into it."""
        self.see(RESUME, code)

    def see_nothing(self, times: int) -> None:
        """Call the hook `times` times for a function that is not shown, to be timed."""
        code = MonitoringHook.see.__code__
        for _ in range(times):
            self.on_start(code, 0)

    @staticmethod
    def slowness(work: Any, rounds: int) -> float:
        """Return 0.0, the part of its time that `work` loses, as it has no events."""
        return 0.0

    def uninstall(self) -> None:
        """Undo everything, also the disabling of places; does nothing the second time."""
        if self.has_ended:
            return
        self.is_on, self.has_ended = False, True
        register, events = self.monitoring.register_callback, self.monitoring.events
        do_all(  # an audit hook of the application's may refuse a callback
            partial(self.monitoring.set_events, self.tool, 0),
            *(
                partial(register, self.tool, getattr(events, name), None)
                for name in self.callbacks()
            ),
            self.lift,
            partial(self.monitoring.free_tool_id, self.tool),
        )

    def lift(self) -> None:
        """Enable the disabled places again, once no thread can disable another."""
        frames.wait_for_others(frames.in_file_of(self.see))
        local = sum(getattr(self.monitoring.events, name) for name in LOCAL)
        for function in list(self.calls.functions.known.values()):
            code = function.reference()
            if code is not None:
                self.monitoring.set_local_events(self.tool, code, local)
                self.monitoring.set_local_events(self.tool, code, 0)
