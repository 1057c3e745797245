"""Other tools' trace functions that are set while ours measure: a thread can have only one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ...interpreter.frames import name_of

CLOCK = "%H:%M:%S"
UNSEEN = "somebody"  # a tool that came and went between two checks


class ForeignTracers:
    """Other tools that have traced threads of ours, with the times of day of begin and end.

    Such threads are not measured meanwhile; `warnings` tells of them.
    """

    def __init__(self) -> None:
        self.since: dict[str, str] = {}
        self.until: dict[str, str] = {}

    def update(self, functions: Iterable[Any]) -> None:
        """Note that these trace functions of other tools, and no others, are set now."""
        now = time.strftime(CLOCK)
        names = set(map(name_of, functions))
        for name in names:
            self.since.setdefault(name, now)
            self.until.pop(name, None)
        for name in self.since:
            if name not in names:
                self.until.setdefault(name, now)

    def note_unknown(self) -> None:
        """Note that an unknown tool has been there, unless a tool is known already."""
        if not self.since:
            self.since[UNSEEN] = self.until[UNSEEN] = time.strftime(CLOCK)

    def warnings(self) -> list[str]:
        """Return the warnings, one sentence for each tool."""
        return [self.sentence(name) for name in self.since]

    def sentence(self, name: str) -> str:
        """Return the warning about the tool `name`."""
        if name not in self.until:
            since = self.since[name]
            return (
                f"another trace function, such as a debugger's, has threads since {since}: {name}; "
                "what they run meanwhile is not measured"
            )
        until = self.until[name]
        return (
            f"another trace function, such as a debugger's, has had threads until {until}: {name}; "
            "what they ran meanwhile is not measured"
        )
