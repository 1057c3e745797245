"""The events of a trace, a line each: for people, and as JSON for programs."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from covattach.terminal import Painted
from covattach.trace.messages import Event, Function, Thread
from covattach.untrusted import printable

STEP = 2  # columns for each level of calls
SKIPPED = "… "  # in place of the indent's last level: the caller is not shown
DEEPEST = 20  # levels that are indented
MOST_ABOVE = 10_000  # calls that are remembered of a thread: Python's own limit is 1,000
WIDEST_NAME = 16  # of a thread, in columns
LIMIT = 10.0  # the usual --max-overhead, in per cent
BY_TARGET = re.compile(r"(Thread-\d+) \(.*\)")  # as `threading` names those that have no name
MARKS = {"call": "→ ", "return": "← ", "raise": "✕ ", "yield": "⇠ ", "resume": "⇢ "}
COLOURS = {"call": "", "return": "\x1b[32m", "raise": "\x1b[31m", "yield": "", "resume": ""}
HEADING = (
    "A line is a call: its function, indented by depth, and where that begins. Calls that are not"
    " shown count in the depth: the line above need not be the caller; where … stands, it is not."
)
LEGEND = "→ a call  ← its end  ✕ an exception ends it  ⇠ it yields or waits  ⇢ it goes on"
LOSSES = {
    "dropped": "dropped: they came faster than they could be shown",
    "left_out": "left out, as --rate says",
}
DIM = "\x1b[2m"


class Lines:
    """Formats events for people: one line each, indented by depth.

    Calls that are not shown count in the depth.  So a "…" in a line says that its caller is not the
    line above.  `above` has, for each thread, the depths of the shown calls that may still go on.
    An ended call is among them until an event tells, for most traces are of calls only.
    `shallowest` has each thread's lowest depth so far.

    `width` is that of the terminal, or None to cut nothing off.  `marks` tells whether ends of
    calls are shown as well.  `limit` is the slow-down, in per cent, that tracing pauses for.
    """

    def __init__(self, colour: bool, width: int | None, marks: bool, limit: float = LIMIT) -> None:
        self.colour, self.width, self.marks, self.limit = colour, width, marks, limit
        self.shallowest: dict[Thread, int] = {}
        self.above: dict[Thread, list[int]] = {}
        self.widest = len("MainThread")

    def line(self, event: Event) -> Painted:
        """Return the line of one event; with a note before it where that is needed."""
        if event.kind == "gap":
            self.above.clear()  # calls may have ended meanwhile
            return self.note(f"paused for {duration(event.seconds or 0)}, {kept_near(self.limit)}")
        note = self.of_other_thread(event.thread)
        base = min(self.shallowest.get(event.thread, event.depth), event.depth)
        self.shallowest[event.thread] = base
        indent = " " * (STEP * min(event.depth - base, DEEPEST))
        if self.is_caller_hidden(event):
            indent = indent[: -len(SKIPPED)] + SKIPPED
        thread = ""
        if len(self.shallowest) > 1:
            name = name_of(event.thread)
            self.widest = max(self.widest, min(len(name), WIDEST_NAME))
            thread = name[:WIDEST_NAME].ljust(self.widest) + "  "
        mark = MARKS[event.kind] if self.marks else ""
        what = printable(event.function.name) + self.details(event)
        where = f"  {place(event.function)}:{event.function.line}"
        painted = self.painted(event.kind, thread, indent + mark + what, where)
        return Painted(*note.parts, *painted.parts)

    def is_caller_hidden(self, event: Event) -> bool:
        """Tell whether the event is below a shown call that is not its caller; note its depth."""
        above = self.above.setdefault(event.thread, [])
        while above and above[-1] >= event.depth:
            above.pop()
        is_hidden = bool(above) and above[-1] < event.depth - 1
        if event.kind in ("call", "resume"):
            above.append(event.depth)
            del above[:-MOST_ABOVE]
        return is_hidden

    def of_other_thread(self, thread: Thread) -> Painted:
        """Return the line to put before the first event of a second thread; empty otherwise."""
        if len(self.shallowest) != 1 or thread in self.shallowest:
            return Painted()
        (first,) = self.shallowest
        words = f"so far all in the thread {name_of(first)}; now lines begin with their thread"
        return Painted(*self.note(words).parts, ("\n", ""))

    def details(self, event: Event) -> str:
        """Return the arguments, the value and the time of an event, as far as they are known."""
        text = "" if event.text is None else printable(event.text)
        if event.kind == "call":
            return f"({text})" if event.text is not None else ""
        value = f" = {text}" if event.text is not None else ""
        return value + ("" if event.seconds is None else f"  {duration(event.seconds)}")

    def painted(self, kind: str, thread: str, what: str, where: str) -> Painted:
        """Return a line made of its parts, cut to the terminal's width, with colours if wanted."""
        if self.width is not None:
            room = self.width - len(thread)
            what = what if len(what) <= room else what[: room - 1] + "…"
            where = where if len(what) + len(where) <= room else ""
        dim, colour = (DIM, COLOURS[kind]) if self.colour else ("", "")
        return Painted((thread, dim), (what, colour), (where, dim))

    def loss(self, what: str, calls: int) -> Painted:
        """Return the line that says how many calls are missing here; `what` is a key of LOSSES."""
        self.above.clear()
        return self.note(f"{calls:,} calls {LOSSES[what]}")

    def note(self, words: str) -> Painted:
        """Return a line with `words` that is not an event."""
        return Painted((f"-- {words} --", DIM if self.colour else ""))


def name_of(thread: Thread) -> str:
    """Return a thread's name, without the function that `threading` puts behind the number."""
    return BY_TARGET.sub(r"\1", printable(thread.name))


def place(function: Function) -> str:
    """Return a function's module; for the main program, the base name of its file."""
    module = function.module
    return printable(os.path.basename(function.file) if module == "__main__" else module)


def kept_near(limit: float) -> str:
    """Return the words that say why tracing pauses; `limit` is in per cent."""
    return f"to keep the slow-down near {limit:g} %"


def duration(seconds: float) -> str:
    """Return a number of seconds as text, in µs, ms or s."""
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
    """Return the JSON line that says how many calls are missing here; `what` is a key of LOSSES."""
    return json.dumps({"event": what, "calls": calls})
