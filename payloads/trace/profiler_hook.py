"""The hook before Python 3.12: a profiler, of the kind of `sys.setprofile`, in every thread.

It is called for functions of C's as well, and on 3.11 all bytecode is slow while there is one: the
`budget` counts both.  To pause, each thread takes it off itself, at its next event.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from ..errors import CannotAdopt, Refused
from ..interpreter import frames
from ..interpreter.all_threads import AllThreads
from ..interpreter.cpu_time import seconds_of
from ..measure.leftovers import is_inert
from .event_buffer import EventBuffer, clock
from .event_kinds import CALL, RAISE, RESUME, RETURN, YIELD


class ProfileHook:
    """A profiler in all threads but the calling one; `is_on` while it is meant to be there."""

    def __init__(self, calls: EventBuffer) -> None:
        """Raise Refused where there is a profiler already, or where none can be set."""
        import opcode
        import threading

        self.calls = calls
        self.threading: Any = threading
        self.is_on = self.has_ended = False
        self.on_since = self.off_since = 0
        self.hook = self.on_event  # one object, however many threads have it
        self.returning = opcode.opmap["RETURN_VALUE"]
        self.yielding = opcode.opmap["YIELD_VALUE"]
        until_3_10 = [opcode.opmap[name] for name in ("YIELD_FROM",) if name in opcode.opmap]
        self.delegating = bytes(until_3_10)
        self.beginning = opcode.opmap.get("RESUME", -1)  # from 3.11 on
        try:
            self.threads = AllThreads("profile")
        except CannotAdopt as reason:
            raise Refused(f"running threads cannot be given a profiler: {reason}") from None
        self.refuse_profilers()

    def refuse_profilers(self) -> None:
        """Raise Refused where there is a profiler, which ours would replace."""
        there = [self.threading._profile_hook, *self.threads.somebodys()]
        for found in there:
            if not is_inert(found):
                raise Refused(f"a profiler is active: {frames.name_of(found)}")

    def install(self) -> None:
        """Have new threads begin with the hook; the others get it from `resume`."""
        self.threading._profile_hook = self.hook

    def resume(self) -> None:
        """Set the hook in all threads that have none; for the agent's thread only."""
        self.on_since = clock()
        self.is_on = True
        self.threads.give_where_none(self.hook)

    def pause(self) -> None:
        """Have every thread take the hook off at its next event."""
        if self.is_on:
            self.is_on = False
            self.off_since = clock()

    def tend(self) -> None:
        """Set the hook where it is not: raw threads, and those that took it off too late."""
        if self.is_on:
            self.threads.give_where_none(self.hook)

    def on_event(self, frame: FrameType, event: str, value: Any) -> None:
        """See an event of a thread of the application; CPython calls this in its own way."""
        try:
            if not self.is_on:
                sys.setprofile(None)
                return
            began = clock()
            if self.calls.tick() >= self.calls.allowed:
                self.pause()
            if event == "call":
                self.see(event, frame, began, None)
            elif event == "return" and self.calls.returns:
                self.see(event, frame, began, value)
        except BaseException as error:
            self.calls.fault(error)

    def see(self, event: str, frame: FrameType, began: int, value: Any) -> None:
        """Note a call or a return of Python's, if it is of a function that is shown."""
        code = frame.f_code
        function = self.calls.functions.known.get(id(code))
        if function is None:
            function = self.calls.functions.look(code, frame.f_globals)
        if function.number:
            if event == "call":
                kind = self.kind_of_call(function.bytecode, frame.f_lasti)
                if kind == RESUME and not self.calls.returns:
                    return
            else:
                kind = self.kind_of_return(function.bytecode, frame.f_lasti, value)
            self.calls.note(kind, function, frame, began, value)

    def kind_of_call(self, bytecode: bytes, at: int) -> int:
        """Tell a function that begins from a generator that goes on, by where it is."""
        if at < 0:
            return CALL
        begins = bytecode[at] == self.beginning and bytecode[at + 1] & 3 == 0
        return CALL if begins else RESUME

    def kind_of_return(self, bytecode: bytes, at: int, value: Any) -> int:
        """Tell a return, a yield and an exception, which leaves no value, from each other."""
        if at >= 0 and bytecode[at] == self.returning:
            return RETURN
        if at >= 0 and bytecode[at] == self.yielding:
            return YIELD
        if self.delegating and bytecode[at + 2 : at + 3] == self.delegating:
            return YIELD
        return RETURN if value is not None else RAISE

    def see_nothing(self, times: int) -> None:
        """See so many events that are not shown, to have their cost measured."""
        frame = sys._getframe()
        for _ in range(times):
            self.hook(frame, "call", None)

    def slowness(self, work: Any, rounds: int) -> float:
        """Return which part of its time code loses that has no events, `work` for instance."""
        without = seconds_of(work, rounds)
        sys.setprofile(self.hook)
        try:
            there = seconds_of(work, rounds)
        finally:
            sys.setprofile(None)
        return max(1 - without / there, 0.0)

    def uninstall(self) -> None:
        """Take the hook off in every thread, and off new ones; does nothing the second time."""
        if self.has_ended:
            return
        self.is_on, self.has_ended = False, True
        if self.threading._profile_hook is self.hook:
            self.threading._profile_hook = None
        self.threads.take_where([self.hook])
        if sys.getprofile() is self.hook:
            sys.setprofile(None)  # in a forked child this thread is the application's
        # One that is just starting, or in the hook, takes it off itself.
        frames.wait_for_others(frames.in_file_of(self.see))
        self.threads.take_where([self.hook])
