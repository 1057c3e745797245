"""Notes of function entries by sysmon: a function's first line event in a window is its entry.

Each line is reported once in a window, so that this costs next to nothing.
"""

from __future__ import annotations

from types import CodeType
from typing import Any


class LineWatcher:
    """Tells `log`, a `FirstCalls`, of each function with a line that is reported.

    `usual` is the callback for line events, which is called besides.
    """

    def __init__(self, log: Any, usual: Any) -> None:
        self.log = log
        self.seen = log.codes
        self.usual = usual

    def on_line(self, code: CodeType, line_number: int) -> Any:
        """Handle a line event: note `code`, call the usual callback and return its answer."""
        if id(code) not in self.seen:
            self.log.note(code)
        return self.usual(code, line_number)
