"""The hook before Python 3.12: a profile function, as of `sys.setprofile`, in every thread.

It is called for C functions as well, and on 3.11 all bytecode is slower while there is one:
`overhead_budget` counts both.  To pause, each thread removes it itself, at its next event.
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
    """A profile function in all threads but the calling one; it writes events to `calls`.

    `is_on` while it is meant to be there.
    """

    def __init__(self, calls: EventBuffer) -> None:
        """Prepare the hook; raises Refused where a profiler is active, or none can be set."""
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
        """Raise Refused if a thread has another tool's profile function, or new ones would."""
        there = [self.threading._profile_hook, *self.threads.functions_in_use()]
        for found in there:
            if not is_inert(found):
                raise Refused(f"a profiler is active: {frames.name_of(found)}")

    def install(self) -> None:
        """Have new threads begin with the hook; running threads get it from `resume`."""
        self.threading._profile_hook = self.hook

    def resume(self) -> None:
        """Set the hook in all threads that have none; for the agent's thread only."""
        self.on_since = clock()
        self.is_on = True
        self.threads.set_where_none(self.hook)

    def pause(self) -> None:
        """Have every thread remove the hook at its next event."""
        if self.is_on:
            self.is_on = False
            self.off_since = clock()

    def maintain(self) -> None:
        """Set the hook in threads without it: not `threading`'s, or having removed it too late."""
        if self.is_on:
            self.threads.set_where_none(self.hook)

    def on_event(self, frame: FrameType, event: str, value: Any) -> None:
        """Note an event of this thread: the profile function, which CPython calls."""
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
        """Note a call or a return of a Python function that is shown.

        `began` is the time in ns at which the hook was called.
        """
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
        """Return CALL for a function that begins, RESUME for a generator that goes on.

        `at` is the frame's position in its `bytecode`, -1 before the first instruction.
        """
        if at < 0:
            return CALL
        begins = bytecode[at] == self.beginning and bytecode[at + 1] & 3 == 0
        return CALL if begins else RESUME

    def kind_of_return(self, bytecode: bytes, at: int, value: Any) -> int:
        """Return RETURN, YIELD, or RAISE for an exception, which leaves None as the `value`.

        `at` is the frame's position in its `bytecode`.
        """
        if at >= 0 and bytecode[at] == self.returning:
            return RETURN
        if at >= 0 and bytecode[at] == self.yielding:
            return YIELD
        if self.delegating and bytecode[at + 2 : at + 3] == self.delegating:
            return YIELD
        return RETURN if value is not None else RAISE

    def see_nothing(self, times: int) -> None:
        """Call the hook `times` times for a function that is not shown, to be timed."""
        frame = sys._getframe()
        for _ in range(times):
            self.hook(frame, "call", None)

    def slowness(self, work: Any, rounds: int) -> float:
        """Return the part of its time, from 0 to 1, that `work(rounds)`, without events, loses."""
        without = seconds_of(work, rounds)
        sys.setprofile(self.hook)
        try:
            there = seconds_of(work, rounds)
        finally:
            sys.setprofile(None)
        return max(1 - without / there, 0.0)

    def uninstall(self) -> None:
        """Remove the hook from every thread, and from new ones; does nothing the second time."""
        if self.has_ended:
            return
        self.is_on, self.has_ended = False, True
        if self.threading._profile_hook is self.hook:
            self.threading._profile_hook = None
        self.threads.remove_where([self.hook])
        if sys.getprofile() is self.hook:
            sys.setprofile(None)  # in a forked child this thread is the application's
        # A thread that is just starting, or in the hook, removes it itself.
        frames.wait_for_others(frames.in_file_of(self.see))
        self.threads.remove_where([self.hook])
