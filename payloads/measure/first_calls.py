"""The functions that a window has seen entered, in the order in which they were first.

coverage's sets have no order, so it is noted as it happens, only while somebody records, and once
for each function.  Each core tells of entries in its own way, see `Core.watch_calls`.
"""

from __future__ import annotations

import time
from types import CodeType
from typing import Any

from .core import Core

MOST = 20_000  # functions of which the order is kept, in files that are measured or not


class FirstCalls:
    """A log of one window, for the `adoption` of any core; `begin` and `end` switch it."""

    def __init__(self, adoption: Core) -> None:
        self.adoption = adoption
        self.collector = adoption.collector
        self.codes: dict[int, tuple[CodeType, float]] = {}  # alive, so that no address is reused
        self.began = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Tell whether functions may have been entered that are not in the log."""
        return len(self.codes) >= MOST

    def note(self, code: CodeType) -> None:
        """Note the first time that `code` is seen."""
        if len(self.codes) < MOST:
            self.codes.setdefault(id(code), (code, time.monotonic()))

    def begin(self) -> None:
        """Listen from now on."""
        self.adoption.watch_calls(self)

    def end(self) -> None:
        """Listen no more; not to be called once measuring has stopped."""
        self.adoption.unwatch_calls()

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
