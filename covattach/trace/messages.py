"""Messages of a trace, checked before they are believed, see payloads/trace/stream.py.

    Decoder().events(message)   the events in a message; raises BadStream, and nothing else

Memory is bounded: by the length of a message, and by the number of functions, threads and
calls under way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any

from covattach.errors import PayloadFailed
from covattach.payloads.trace.event_kinds import COLUMNS, KINDS

MOST_EVENTS = 4096
WORD = 8  # bytes of a number
LONGEST_BLOB = MOST_EVENTS * COLUMNS * WORD
MOST_NAMES = 100_000  # of functions, and of threads
MOST_LETTERS = 50_000_000  # of all of these names together
MOST_UNDER_WAY = 200_000  # calls whose end is waited for, to tell how long they took
LONGEST_NAME = 4096
ENDS = ("", "asked", "limit", "time")  # why a trace has ended; "" while it goes on
FUNCTION = (int, str, str, str, int)  # number, module, name, file, line
THREAD = (int, str, int)  # number, name, the kernel's id
NUMBERS = ("dropped", "left_out", "faults", "cost", "watched", "seconds")


class BadStream(PayloadFailed):
    """A message of the target's is not one of a trace."""

    def __init__(self, what: str) -> None:
        """Name the fault in the message."""
        super().__init__(
            f"The target sends what is no trace: {what}.",
            "Something in the target has changed covattach's agent: look at that program.",
            "",
        )


@dataclass(frozen=True)
class Function:
    """A function of the target's; `line` is that of its `def`."""

    module: str
    name: str
    file: str
    line: int


@dataclass(frozen=True)
class Thread:
    """A thread of the target's; `native` is the kernel's id."""

    name: str
    native: int


@dataclass(frozen=True)
class Event:
    """A call, or its return, exception, yield or resumption; `kind` is one of KINDS.

    `time` is in seconds of the target's clock.  `depth` is the number of frames below on the stack,
    `text` the arguments or the value.  `seconds` is the time that an ended call took, if its begin
    was seen.  A "gap", in which tracing paused, has only `kind`, `time` and `seconds`.
    """

    kind: str
    time: float
    function: Function = Function("", "", "", 0)
    thread: Thread = Thread("", 0)
    depth: int = 0
    text: str | None = None
    seconds: float | None = None


class Decoder:
    """Decodes the messages of one trace; keeps its functions, threads and calls under way.

    `facts` are the last message's: `dropped`, `left_out`, `faults` (numbers of events), `cost` (per
    cent), `watched`, `seconds`, and `end`, why the trace has ended.
    """

    def __init__(self) -> None:
        self.functions: dict[int, Function] = {}
        self.threads: dict[int, Thread] = {}
        self.under_way: dict[tuple[int, int, int], int] = {}
        self.letters = 0  # in all names that are kept
        self.facts: dict[str, Any] = dict.fromkeys(NUMBERS, 0) | {"end": ""}

    def events(self, header: dict[str, Any], blob: bytes) -> list[Event]:
        """Return the events of a message; raises BadStream."""
        self.facts = facts_of(header)
        for number, module, name, file, line in rows(header, "functions", FUNCTION):
            self.keep(self.functions, module, name, file)
            self.functions[number] = Function(module, name, file, line)
        for number, name, native in rows(header, "threads", THREAD):
            self.keep(self.threads, name)
            self.threads[number] = Thread(name, native)
        columns, texts = columns_of(header, blob)
        return [self.event(*row) for row in zip(*columns, texts, strict=True)]

    def keep(self, known: Sized, *names: str) -> None:
        """Count the letters of `names`, which are to join those in `known`; raises BadStream."""
        self.letters += sum(map(len, names))
        if len(known) >= MOST_NAMES or self.letters > MOST_LETTERS:
            raise BadStream("too many functions or threads")

    def event(
        self,
        kind: int,
        function: int,
        thread: int,
        at: int,
        depth: int,
        frame: int,
        cost: int,
        text: str | None,
    ) -> Event:
        """Return one event from its numbers and its text; raises BadStream.

        `at` is the time in ns.  `frame` is the frame's id, but for a gap its length in ns.
        """
        if not 0 <= kind < len(KINDS):
            raise BadStream(f"an event of the kind {kind}")
        name = KINDS[kind]
        if name == "gap":
            self.under_way.clear()  # calls may have ended meanwhile
            return Event(name, at / 1e9, seconds=frame / 1e9)
        if function not in self.functions or thread not in self.threads:
            raise BadStream("an event of something that it has not told of")
        place = (thread, frame, function)
        seconds = None
        if name in ("call", "resume") and len(self.under_way) < MOST_UNDER_WAY:
            self.under_way[place] = at
        elif place in self.under_way:
            seconds = (at - self.under_way.pop(place)) / 1e9
        return Event(
            name, at / 1e9, self.functions[function], self.threads[thread], depth, text, seconds
        )


def facts_of(header: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the trace, from the header of a message, checked; raises BadStream."""
    found = {}
    for name in NUMBERS:
        value = header.get(name)
        if type(value) not in (int, float) or not 0 <= value <= 1e15:  # type: ignore[operator]
            raise BadStream(f"{name} is {value!r:.100}")
        found[name] = value
    end = header.get("end")
    if end not in ENDS:
        raise BadStream(f"end is {end!r:.100}")
    return {**found, "end": end}


def rows(header: dict[str, Any], name: str, kinds: tuple[type, ...]) -> Iterator[list[Any]]:
    """Yield the rows of the table `name` in a header; raises BadStream.

    Each row has one value of each type in `kinds`.
    """
    table = header.get(name)
    if not isinstance(table, list):
        raise BadStream(f"{name} is no list")
    for row in table:
        if not isinstance(row, list) or tuple(map(type, row)) != kinds:
            raise BadStream(f"a row of {name} makes no sense")
        if any(isinstance(value, str) and len(value) > LONGEST_NAME for value in row):
            raise BadStream(f"a name in {name} is too long")
        yield row


def columns_of(header: dict[str, Any], blob: bytes) -> tuple[list[array[int]], list[str | None]]:
    """Return the numbers of the events by columns, and the text of each; raises BadStream."""
    count = header.get("calls")
    if type(count) is not int or not 0 <= count <= MOST_EVENTS:
        raise BadStream("the number of events makes no sense")
    if len(blob) != count * COLUMNS * WORD:
        raise BadStream("the events are of another size")
    texts = header.get("texts")
    if texts is None:
        texts = [None] * count
    if not isinstance(texts, list) or len(texts) != count:
        raise BadStream("the texts do not fit the events")
    if not all(text is None or (type(text) is str and len(text) <= LONGEST_NAME) for text in texts):
        raise BadStream("a text makes no sense")
    size = count * WORD
    parts = (blob[at : at + size] for at in range(0, len(blob), size)) if count else [b""] * COLUMNS
    return [array("q", part) for part in parts], texts
