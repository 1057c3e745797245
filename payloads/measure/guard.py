"""Protection of the application's threads from errors of coverage, whose code runs in them.

In these threads coverage decides which files to measure, and notes the lines that run.  An error
would be raised in the application's code, at any of its instructions.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Any

from ..interpreter import frames
from . import source_search

PASSING = (RecursionError, MemoryError)  # may not happen again, with more memory or stack


class Guard:
    """Wraps a collector's decisions about files, so that errors in them are noted and not raised.

    `cov` is the Coverage object, whose collector has not started yet.  `note` is called with a
    warning for the user.
    """

    def __init__(self, cov: Any, note: Any) -> None:
        self.collector = cov._collector
        self.inorout = cov._inorout
        self.note = note
        self.decide = self.collector.should_trace
        self.check = self.collector.check_include
        self.failed_files: list[str] = []
        self.collector.should_trace = self.should_trace
        self.collector.check_include = self.check_include

    def should_trace(self, filename: str, frame: FrameType | None) -> Any:
        """Return coverage's decision about a file; after an error, that it is not measured.

        coverage looks at `sys.path`, which may hold any objects, whenever that has changed.  After
        an error it decides once more, without that look.  Errors that are the application's own are
        raised.
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
            self.failed_files.append(filename)
        return self.left_out(filename)

    def left_out(self, filename: str) -> Any:
        """Return coverage's disposition object for a file that is not measured."""
        found = self.collector.core.file_disposition_class()
        found.original_filename = found.canonical_filename = filename
        found.source_filename = found.file_tracer = None
        found.trace = found.has_dynamic_filename = False
        found.reason = "coverage has failed"
        return found

    def check_include(self, filename: str, frame: FrameType) -> bool:
        """Tell whether coverage measures a file that its plugin has named; False on an error."""
        try:
            return bool(self.check(filename, frame))
        except BaseException as error:
            if not frames.is_fault_of_ours(error):
                raise
            self.tell(error)
            return False

    def guarded(self, report: Any, silent: Any) -> Any:
        """Return a sys.monitoring callback that calls `report`, and only notes errors of ours.

        After an error it returns `silent`, for which DISABLE may be given; or None if the error may
        not happen again.
        """

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
        """Note an error of coverage's as a warning for the user."""
        self.note(f"coverage has failed in the target, and something is not measured: {error!r}")

    def retry(self) -> None:
        """Have coverage decide again about files where memory or stack did not suffice."""
        while self.failed_files:
            self.collector.should_trace_cache.pop(self.failed_files.pop(), None)

    def discard(self) -> None:
        """Remove the wrappers from the collector, and drop references that form cycles."""
        del self.collector.should_trace, self.collector.check_include
        self.decide = self.check = self.collector = self.inorout = None


def decide_beforehand(collector: Any, running: Iterable[FrameType]) -> None:
    """Have coverage decide about the files of the frames `running` now, in the calling thread.

    So the application's threads need not.
    """
    known = collector.should_trace_cache
    for frame in running:
        name = frame.f_code.co_filename
        if name not in known:
            known[name] = collector.should_trace(name, frame)
