"""Notes of calls by the C tracer, which asks at each call whether a context is to start there.

It asks only if it has a function to call for that (coverage/ctracer/tracer.c, CTracer_handle_call).
Ours always answers no, and costs one call of Python for each call in the target.  A function that
was entered before, and goes on, is not noted.
"""

from __future__ import annotations

from types import FrameType
from typing import Any


class CallWatcher:
    """Tells `log`, a `FirstCalls`, of each function that is called and not in it yet."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.seen = log.codes

    def on_call(self, frame: FrameType) -> None:
        """Note the call of `frame`; returning None means that no context starts here."""
        if id(frame.f_code) not in self.seen:
            self.log.note(frame.f_code)


def ask_at_calls(collector: Any, function: Any) -> None:
    """Have all tracers, also those of later threads, call `function` with the frame of each call.

    With None they call nothing.
    """
    collector.should_start_context = function
    for tracer in list(collector.tracers):
        tracer.should_start_context = function
