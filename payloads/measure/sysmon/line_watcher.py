"""Calls, as sysmon tells of them: the first line of a function in a window is its first entry.

Each line is reported once in a window, so that this costs next to nothing.
"""

from __future__ import annotations

from types import CodeType
from typing import Any


class LineWatcher:
    """Tells a log, see first_calls.py, of each function with a line that is reported.

    `usual` is called for each line besides.
    """

    def __init__(self, log: Any, usual: Any) -> None:
        self.log = log
        self.seen = log.codes
        self.usual = usual

    def on_line(self, code: CodeType, line_number: int) -> Any:
        """Note a line of sysmon's, and hand it on to coverage."""
        if id(code) not in self.seen:
            self.log.note(code)
        return self.usual(code, line_number)
