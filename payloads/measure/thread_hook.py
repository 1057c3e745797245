"""The hook by which threads that start later are measured, where trace functions measure.

It is `threading`'s, and shared with every debugger.  Other tools keep what they find there and put
it back when they are done, which may be long after our session: then the hook does nothing.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from ..interpreter import atomic, frames
from .leftovers import is_inert

STARTING = "_bootstrap_inner"  # in which a thread begins (Lib/threading.py)


class ThreadHook:
    """Takes the place of a collector's `_installation_trace`; inert once `has_ended`.

    `note` takes warnings.
    """

    def __init__(self, collector: Any, note: Any) -> None:
        self.collector = collector
        self.note = note

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        """Start coverage's tracer in this thread of the application, at its first event."""
        try:
            with atomic.one_setter():
                sys.settrace(None)
                collector = self.collector
                if collector is None:
                    self.remove_from_threading()
                    return
                tracer = collector._start_tracer()
                if tracer:
                    tracer(frame, event, arg)
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                raise
            self.note(f"a thread is not measured: {error!r}")

    def __bool__(self) -> bool:
        """Tell `threading`, which asks in each new thread, whether it is to set this there.

        Where that might fail (see `atomic.one_setter`), and the thread with it, it is done here.
        """
        if sys._getframe(1).f_code.co_name != STARTING:
            return True  # somebody else asks
        if self.has_ended:
            self.remove_from_threading()
            return False
        if not atomic.FAILS_AT_TWO or not atomic.audited():
            return True
        try:
            with atomic.one_setter():
                sys.settrace(self)
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                raise
            self.note(f"a thread is not measured: {error!r}")
        return False

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more, whoever puts it back."""
        return self.collector is None

    @staticmethod
    def current() -> Any:
        """Return the trace function that `threading` sets in new threads now, or None."""
        return getattr(sys.modules.get("threading"), "_trace_hook", None)

    def is_set(self) -> bool:
        """Tell whether it is this."""
        return self.current() is self

    def set_where_free(self) -> bool:
        """Be it again, if it is nobody's; tell whether it was."""
        threading: Any = sys.modules["threading"]
        is_free = is_inert(threading._trace_hook)
        if is_free:
            threading._trace_hook = self
        return is_free

    def remove_from_threading(self) -> None:
        """Be it no longer."""
        if self.is_set():
            threading: Any = sys.modules["threading"]
            threading._trace_hook = None

    def uninstall(self) -> None:
        """Do nothing from now on, whoever puts it back."""
        self.collector = None
        self.remove_from_threading()
