"""Calls, as the C tracer tells of them: it asks at each whether a context is to start there.

It asks only where it is given somebody to ask (coverage/ctracer/tracer.c, CTracer_handle_call), and
is always told no.  That is a call of Python for each call that there is.  A function that was
entered before, and goes on, is not told of.
"""

from __future__ import annotations

from types import FrameType
from typing import Any


class CallWatcher:
    """Tells a log, see first_calls.py, of each function that it has not seen yet."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.seen = log.codes

    def on_call(self, frame: FrameType) -> None:
        """Note a call; returning None means that no context starts here."""
        if id(frame.f_code) not in self.seen:
            self.log.note(frame.f_code)


def ask_at_calls(collector: Any, function: Any) -> None:
    """Have all tracers, those of threads to come first, ask `function` at each call."""
    collector.should_start_context = function
    for tracer in list(collector.tracers):
        tracer.should_start_context = function
