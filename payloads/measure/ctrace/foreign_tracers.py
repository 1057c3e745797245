"""Trace functions of others that come while ours measure: a thread can have one only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ...interpreter.frames import name_of

CLOCK = "%H:%M:%S"
UNSEEN = "somebody"  # who came and went between two looks


class ForeignTracers:
    """Other tools that have had threads of ours, since when and until when, as times of day.

    Such threads are not measured meanwhile: `told` says so.
    """

    def __init__(self) -> None:
        self.since: dict[str, str] = {}
        self.until: dict[str, str] = {}

    def see(self, functions: Iterable[Any]) -> None:
        """Note that these, and no others, are there now."""
        now = time.strftime(CLOCK)
        names = set(map(name_of, functions))
        for name in names:
            self.since.setdefault(name, now)
            self.until.pop(name, None)
        for name in self.since:
            if name not in names:
                self.until.setdefault(name, now)

    def see_trace(self) -> None:
        """Note that somebody has been there; unless it is known who was."""
        if not self.since:
            self.since[UNSEEN] = self.until[UNSEEN] = time.strftime(CLOCK)

    def told(self) -> list[str]:
        """Return a sentence for each."""
        return [self.sentence(name) for name in self.since]

    def sentence(self, name: str) -> str:
        """Return the warning about one tool."""
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
