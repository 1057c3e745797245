"""Entries: which functions a window has seen entered, in the order in which they were first.

coverage's sets have no order, so it is noted as it happens, only while somebody records, and once
for each function.  Each core tells of entries in its own way:

- sysmon reports each line once in a window: the first line of a function is its first entry.
  That costs next to nothing.
- The C tracer reports each line each time, by C code.  But it asks at every call whether a context
  is to start there, where it is given somebody to ask (coverage/ctracer/tracer.c,
  CTracer_handle_call), and is always told no.  That is a call of Python for each call there is.

A function that was entered before, and goes on, has no entry with the C tracer.
"""

from __future__ import annotations

import time
from types import CodeType, FrameType
from typing import Any

MOST = 20_000  # functions of which the order is kept, in files that are measured or not


class Entries:
    """A log of one window, for the `adoption` of either core; `begin` and `end` switch it."""

    def __init__(self, adoption: Any) -> None:
        self.adoption = adoption
        self.collector = adoption.collector
        self.codes: dict[int, tuple[CodeType, float]] = {}  # alive, so that no address is reused
        self.began = time.monotonic()
        self.usual: Any = None

    @property
    def is_full(self) -> bool:
        """Tell whether functions may have been entered that are not in the log."""
        return len(self.codes) >= MOST

    def note(self, code: CodeType) -> None:
        """Note the first time that `code` is seen."""
        if len(self.codes) < MOST:
            self.codes.setdefault(id(code), (code, time.monotonic()))

    def on_call(self, frame: FrameType) -> None:
        """Note a call; returning None means that no context starts here."""
        if id(frame.f_code) not in self.codes:
            self.note(frame.f_code)

    def on_line(self, code: CodeType, line_number: int) -> Any:
        """Note a line of sysmon's, and hand it on to coverage."""
        if id(code) not in self.codes:
            self.note(code)
        return self.usual(code, line_number)

    def begin(self) -> None:
        """Listen from now on."""
        if hasattr(self.adoption, "quiet"):
            self.usual = self.adoption.quiet.listener
            self.adoption.report_lines_to(self.on_line)
        else:
            self.be_asked(self.on_call)

    def end(self) -> None:
        """Listen no more; not to be called once measuring has stopped."""
        if self.usual is not None:
            self.adoption.report_lines_to(self.usual)
        else:
            self.be_asked(None)

    def be_asked(self, function: Any) -> None:
        """Have all tracers, those of threads to come first, ask `function` at each call."""
        self.collector.should_start_context = function
        for tracer in list(self.collector.tracers):
            tracer.should_start_context = function

    def listed(self, name_of: Any) -> list[tuple[str, int, str, float]]:
        """Return the entries of measured code: file, first line, name, and ms since the beginning.

        `name_of` returns a file's name as it is in snapshots.
        """
        found = []
        for code, when in list(self.codes.values()):
            disposition = self.collector.should_trace_cache.get(code.co_filename)
            if disposition is not None and disposition.trace:
                name = getattr(code, "co_qualname", code.co_name)
                file = name_of(disposition.source_filename or code.co_filename)
                found.append((file, code.co_firstlineno, name, 1000 * (when - self.began)))
        return found
