"""coverage in the application's threads: a fault in it stays with us.

coverage asks there which files to measure, and notes the lines that run.  An exception would come
up in the application's code, at any of its instructions.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Any

from ..interpreter import frames
from . import source_search

PASSING = (RecursionError, MemoryError)  # what may go well another time, where there is more room


class Guard:
    """Stands between a collector, not yet started, and its decisions; `note` takes faults."""

    def __init__(self, cov: Any, note: Any) -> None:
        self.collector = cov._collector
        self.inorout = cov._inorout
        self.note = note
        self.decide = self.collector.should_trace
        self.check = self.collector.check_include
        self.again: list[str] = []
        self.collector.should_trace = self.should_trace
        self.collector.check_include = self.check_include

    def should_trace(self, filename: str, frame: FrameType | None) -> Any:
        """Return coverage's decision about a file; after a fault, that it is left out.

        coverage looks at `sys.path`, which may hold anything, whenever that has changed.  After a
        fault it decides once more, without that look.
        """
        fault: BaseException | None = None
        for _ in range(2):
            try:
                return self.decide(filename, frame)
            except BaseException as error:
                if not frames.is_fault_of_ours(error):
                    raise
                fault = error
                self.inorout.last_sys_path = source_search.Sys().path
        self.tell(fault)
        if isinstance(fault, PASSING):
            self.again.append(filename)
        return self.left_out(filename)

    def left_out(self, filename: str) -> Any:
        """Return the decision that a file is not measured."""
        found = self.collector.core.file_disposition_class()
        found.original_filename = found.canonical_filename = filename
        found.source_filename = found.file_tracer = None
        found.trace = found.has_dynamic_filename = False
        found.reason = "coverage has failed"
        return found

    def check_include(self, filename: str, frame: FrameType) -> bool:
        """Return coverage's decision on a file that a plugin has named; False after a fault."""
        try:
            return bool(self.check(filename, frame))
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                raise
            self.tell(error)
            return False

    def guarded(self, report: Any, silent: Any) -> Any:
        """Return a callback of sys.monitoring that does the same, or returns `silent`."""

        def call(*event: Any) -> Any:
            try:
                return report(*event)
            except BaseException as error:
                if not frames.is_fault_of_ours(error):
                    raise
                self.tell(error)
                return None if isinstance(error, PASSING) else silent

        return call

    def tell(self, error: BaseException | None) -> None:
        """Note a fault for the user."""
        self.note(f"coverage has failed in the target, and something is not measured: {error!r}")

    def retry(self) -> None:
        """Have coverage decide again about files for which there was no room."""
        while self.again:
            self.collector.should_trace_cache.pop(self.again.pop(), None)

    def discard(self) -> None:
        """Drop the references that lead back to this object."""
        del self.collector.should_trace, self.collector.check_include
        self.decide = self.check = self.collector = self.inorout = None


def decide_beforehand(collector: Any, running: Iterable[FrameType]) -> None:
    """Have coverage decide about files now, so that the application's threads need not."""
    known = collector.should_trace_cache
    for frame in running:
        name = frame.f_code.co_filename
        if name not in known:
            known[name] = collector.should_trace(name, frame)
