"""The functions that were entered in a window, in the order of their first entries.

coverage's sets have no order.  So the order is noted as it happens, only during a `record`, and
once for each function.  Each core reports entries in its own way, see `Core.watch_calls`.
"""

from __future__ import annotations

import time
from types import CodeType
from typing import Any

from .core import Core

MOST = 20_000  # functions in the log at the most, in files that are measured or not


class FirstCalls:
    """A log of the functions entered in one window; `begin` and `end` switch it on and off.

    `adoption` is the `Core` that reports the entries.
    """

    def __init__(self, adoption: Core) -> None:
        self.adoption = adoption
        self.collector = adoption.collector
        self.codes: dict[int, tuple[CodeType, float]] = {}  # by `id`; alive, so none is reused
        self.began = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether the log is full, so that it may lack functions that were entered."""
        return len(self.codes) >= MOST

    def note(self, code: CodeType) -> None:
        """Add `code` to the log with the time, unless it is there already or the log is full."""
        if len(self.codes) < MOST:
            self.codes.setdefault(id(code), (code, time.monotonic()))

    def begin(self) -> None:
        """Have the core note the functions that are entered from now on."""
        self.adoption.watch_calls(self)

    def end(self) -> None:
        """Have the core note no more functions; not to be called once measuring has stopped."""
        self.adoption.unwatch_calls()

    def listed(self, name_of: Any) -> list[tuple[str, int, str, float]]:
        """Return the entries in measured files: file, first line, name, and ms since the beginning.

        `name_of` is a function that returns a file's name as it is in snapshots.
        """
        found = []
        for code, when in list(self.codes.values()):
            disposition = self.collector.should_trace_cache.get(code.co_filename)
            if disposition is not None and disposition.trace:
                name = getattr(code, "co_qualname", code.co_name)
                file = name_of(disposition.source_filename or code.co_filename)
                found.append((file, code.co_firstlineno, name, 1000 * (when - self.began)))
        return found
