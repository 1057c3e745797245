"""The events of a trace, a line each: for people, and as JSON for programs."""

from __future__ import annotations

import json
import re
from typing import Any

from covattach.calls import Event, Thread
from covattach.facts import printable

STEP = 2  # columns for each level of calls
DEEPEST = 20  # levels that are shown by columns
WIDEST_NAME = 16  # of a thread, in columns
BY_TARGET = re.compile(r"(Thread-\d+) \(.*\)")  # as `threading` names those that have no name
MARKS = {"call": "→ ", "return": "← ", "raise": "✕ ", "yield": "⇠ ", "resume": "⇢ "}
COLOURS = {"call": "", "return": "\x1b[32m", "raise": "\x1b[31m", "yield": "", "resume": ""}
DIM, BOLD, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Lines:
    """Writes events for people: one line each, indented by depth.

    `width` is that of the terminal, or None to cut nothing off; `marks` tells whether ends of
    calls are shown as well.
    """

    def __init__(self, colour: bool, width: int | None, marks: bool) -> None:
        self.colour, self.width, self.marks = colour, width, marks
        self.shallowest: dict[Thread, int] = {}
        self.widest = len("MainThread")

    def line(self, event: Event) -> str:
        """Return the line of one event."""
        if event.kind == "gap":
            return self.note(f"not looked at for {event.seconds:.2f} s")
        base = min(self.shallowest.get(event.thread, event.depth), event.depth)
        self.shallowest[event.thread] = base
        indent = " " * (STEP * min(event.depth - base, DEEPEST))
        thread = ""
        if len(self.shallowest) > 1:
            name = BY_TARGET.sub(r"\1", printable(event.thread.name))
            self.widest = max(self.widest, min(len(name), WIDEST_NAME))
            thread = name[:WIDEST_NAME].ljust(self.widest) + "  "
        mark = MARKS[event.kind] if self.marks else ""
        what = printable(event.function.name) + self.details(event)
        where = f"  {printable(event.function.module)}:{event.function.line}"
        return self.painted(event.kind, thread, indent + mark + what, where)

    def details(self, event: Event) -> str:
        """Return the arguments, the value and the time of an event, as far as they are known."""
        text = "" if event.text is None else printable(event.text)
        if event.kind == "call":
            return f"({text})" if event.text is not None else ""
        value = f" = {text}" if event.text is not None else ""
        return value + ("" if event.seconds is None else f"  {duration(event.seconds)}")

    def painted(self, kind: str, thread: str, what: str, where: str) -> str:
        """Put a line together, in the terminal's width, and in colour if there is any."""
        if self.width is not None:
            room = self.width - len(thread)
            what = what if len(what) <= room else what[: room - 1] + "…"
            where = where if len(what) + len(where) <= room else ""
        if not self.colour:
            return thread + what + where
        return f"{DIM}{thread}{PLAIN}{COLOURS[kind]}{what}{PLAIN}{DIM}{where}{PLAIN}"

    def loss(self, what: str, calls: int) -> str:
        """Return the line that says how many calls are missing here: "dropped" or "left_out"."""
        return self.note(f"{calls:,} calls {what.replace('_', ' ')}")

    def note(self, words: str) -> str:
        """Return a line that is no event."""
        return f"{DIM}-- {words} --{PLAIN}" if self.colour else f"-- {words} --"


def duration(seconds: float) -> str:
    """Return a length of time in a unit that fits."""
    if seconds < 0.001:
        return f"{1e6 * seconds:.0f} µs"
    return f"{1e3 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def as_json(event: Event) -> str:
    """Return one event as a JSON object on one line."""
    facts: dict[str, Any] = {"event": event.kind, "time": round(event.time, 6)}
    if event.kind != "gap":
        function, thread = event.function, event.thread
        facts.update(thread=thread.name, thread_id=thread.native)
        facts.update(module=function.module, function=function.name)
        facts.update(file=function.file, line=function.line, depth=event.depth)
    if event.text is not None:
        facts["arguments" if event.kind == "call" else "value"] = event.text
    if event.seconds is not None:
        facts["seconds"] = round(event.seconds, 6)
    return json.dumps(facts)


def loss_as_json(what: str, calls: int) -> str:
    """Return the JSON object that says how many calls are missing here."""
    return json.dumps({"event": what, "calls": calls})
