"""The trace function that `threading` sets in new threads, to start coverage's tracer there.

`threading` has only one, which it shares with every debugger.  Other tools save the one that they
find and restore it when they are done.  That may be long after our session: then it does nothing.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from ..interpreter import atomic, frames
from .leftovers import is_inert

STARTING = "_bootstrap_inner"  # in which a thread begins (Lib/threading.py)


class ThreadHook:
    """The trace function of new threads, in place of a collector's `_installation_trace`.

    It does nothing once `has_ended`.  `note` is called with warnings.
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
        """Tell whether `threading`, which asks in each new thread, is to set this there."""
        return sys._getframe(1).f_code.co_name != STARTING or self.must_be_set()

    def must_be_set(self) -> bool:
        """Tell whether `threading` is to set this hook in the calling thread, which starts now.

        Where that call might fail, and end the thread (see `atomic.one_setter`), it is made here
        instead.
        """
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
        """Whether this does nothing any more, even if another tool restores it."""
        return self.collector is None

    @staticmethod
    def current() -> Any:
        """Return the trace function that `threading` sets in new threads now, or None."""
        return getattr(sys.modules.get("threading"), "_trace_hook", None)

    def is_set(self) -> bool:
        """Tell whether `threading` has this hook now."""
        return self.current() is self

    def set_where_free(self) -> bool:
        """Set this hook in `threading` unless another tool's is there; tell whether it was set."""
        threading: Any = sys.modules["threading"]
        is_free = is_inert(threading._trace_hook)
        if is_free:
            threading._trace_hook = self
        return is_free

    def remove_from_threading(self) -> None:
        """Remove this hook from `threading`, if it is set there."""
        if self.is_set():
            threading: Any = sys.modules["threading"]
            threading._trace_hook = None

    def uninstall(self) -> None:
        """Remove this hook, and have it do nothing any more, even if another tool restores it."""
        self.collector = None
        self.remove_from_threading()
