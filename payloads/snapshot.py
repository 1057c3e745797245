"""A snapshot: everything that was measured so far, copied out without losing a line.

coverage's own `save()` copies each set and then clears it; what an application thread adds in
between is gone, and sysmon never reports it again.  Here nothing is cleared: `set.copy()` and
`list(set)` are atomic under the GIL, so a line is in this snapshot or in the next, and in all that
follow.
"""

from __future__ import annotations

import copy
import marshal
import sys
from array import array
from itertools import chain
from typing import Any

from . import later, tracers
from .windows import NUMBERS, Windows

NOTHING = None, 0, b""  # held of a file that is not known yet


def kind_of(collector: Any) -> str:
    """Return what the sets hold: "lines", "arcs" (pairs), or "packed" (pairs in one number).

    Packed arcs are the C tracer's (coverage/ctracer/tracer.c, CTracer_record_pair).
    """
    if not collector.branch:
        return "lines"
    return "packed" if collector.core.packed_arcs else "arcs"


class Snapshots:
    """Takes snapshots of one collector (coverage.collector.Collector)."""

    def __init__(self, collector: Any) -> None:
        self.collector = collector
        self.kind = kind_of(collector)
        self.windows = Windows(pairs=self.kind == "arcs")
        # coverage's own cache of this would keep the collector alive for good.
        self.mapped: dict[str, str] = {}
        self.names: Any = sys.modules["coverage.files"]  # which may be put aside before a dump
        # The set of each file, how many it had, and those as `wired`.
        self.encoded: dict[str, tuple[Any, int, bytes]] = {}

    def copy(self) -> dict[str, set[Any]]:
        """Return a copy of what is held: file name to lines, arcs or packed arcs."""
        return {name: held.copy() for name, held in list(self.collector.data.items())}

    def taken(self) -> dict[str, list[Any]]:
        """Return the same as lists, which are made in a third of the time."""
        return {name: list(held) for name, held in list(self.collector.data.items())}

    def encode(self, taken: dict[str, list[Any]] | None = None) -> tuple[dict[str, Any], bytes]:
        """Return what was `taken`, or what is held now, as a header for JSON, and its numbers.

        They come in the header's order: first those of the window that goes on, as `wired` makes
        them.  Those that have ended follow, as words of 64 bits: each has its name, and by turns
        the index of a file in `files` and how many numbers it has of that.
        """
        now = self.collector.data if taken is None else taken
        parts = {name: self.counted(name, held) for name, held in list(now.items())}
        closed = self.windows.closed
        names = list(dict.fromkeys(chain(parts, *closed.values())))
        nothing = 0, self.wired([])
        held = [parts.get(name, nothing) for name in names]
        blob = [numbers for _, numbers in held]
        ends = 2 if self.kind == "arcs" else 1
        self.map_canonical()
        mapped = self.mapped
        header = {
            "kind": self.kind,
            "marshalled": self.kind != "packed",
            "shift": tracers.bits(self.collector),
            "files": [
                [mapped.get(name) or self.map_file(name), ends * count]
                for name, (count, _) in zip(names, held)
            ],
            "file_tracers": {
                self.map_file(name): tracer for name, tracer in self.collector.file_tracers.items()
            },
        }
        if self.windows.names:
            places = {name: place for place, name in enumerate(names)}
            ended = []
            for window, files in closed.items():
                flat = {places[name]: numbers for name, numbers in files.items()}
                blob += [numbers.tobytes() for numbers in flat.values()]
                counts = [number for at, part in flat.items() for number in (at, len(part))]
                ended.append([window, counts])
            header.update(window=self.windows.name, windows=ended)
        return header, b"".join(blob)

    def counted(self, name: str, held: Any) -> tuple[int, bytes]:
        """Return how many lines or arcs of a file are held, and those as `wired` makes them.

        They only ever become more until `forget`: if they are as many as the last time, they are
        the same, and an application that has come to rest is not gone through again.
        """
        known, count, numbers = self.encoded.get(name, NOTHING)
        if known is not held or count != len(held):
            some = list(held)
            count, numbers = len(some), self.wired(some)
            self.encoded[name] = held, count, numbers
        return count, numbers

    def wired(self, some: list[Any]) -> bytes:
        """Return lines or arcs as they go over the wire: in the way that takes the least time here.

        For lines and pairs of lines that is `marshal`, a third of the time of an array.  Without
        references to what came before, which version 2 of it has not, each takes as many bytes as
        the next; so whoever reads it needs no `marshal`, which must not be given what is not
        trusted.
        """
        if self.kind == "packed":
            return array(NUMBERS, some).tobytes()
        return marshal.dumps(some, 2)

    def map_canonical(self) -> None:
        """Note the names that coverage's mapper would give back as they are, after asking the disk.

        `abs_file` follows links, which has been done for what `canonical_filename` has returned.
        """
        if self.collector.file_mapper is self.names.abs_file:
            known = set(self.names.CANONICAL_FILENAME_CACHE.values())
            new = known.intersection(self.collector.data).difference(self.mapped)
            self.mapped.update(zip(new, new))

    def map_file(self, name: str) -> str:
        """Return the file name as coverage would write it to its data file."""
        if name not in self.mapped:
            self.mapped[name] = self.collector.file_mapper(name)
        return self.mapped[name]

    def forget(self, taken: Any) -> None:
        """Drop what `taken`, an earlier copy, holds; leave what came since."""
        for name, held in taken.items():
            self.collector.data[name].difference_update(held)
            self.encoded.pop(name, None)

    def begin_anew(self) -> dict[str, set[Any]]:
        """Forget everything, and return what the sets held; the window that goes on, goes on."""
        taken = self.copy()
        self.forget(taken)
        self.windows.forget()
        return taken

    def begin_window(self, name: str) -> dict[str, set[Any]]:
        """End the window that goes on, begin another, and return what the sets held until now.

        What runs meanwhile is in the one or in the other: until `begin`, a save that comes in
        between puts it into the old one, which has all that is taken out of the sets.
        """
        taken = self.copy()
        self.windows.close(taken)
        self.forget(taken)
        self.windows.begin(name)
        return taken

    def held(self) -> int:
        """Return how many lines or arcs coverage's sets hold: those of the window that goes on."""
        return sum(len(held) for held in list(self.collector.data.values()))

    def points(self) -> int:
        """Return how many lines or arcs are held, in whichever windows."""
        union = self.copy()
        for files in self.windows.held().values():
            for name, held in files.items():
                union.setdefault(name, set()).update(held)
        return sum(map(len, union.values()))

    def make_flush_lossless(self) -> None:
        """Make `save` and the reports of the live Coverage object lossless too.

        They all come through the collector's `flush_data`; it works on a stand-in from now on,
        whose sets are copies, so that clearing them clears nothing that is still being filled.
        """

        def flush_data() -> bool:
            if isinstance(self.collector.covdata, later.DataLater):
                self.collector.covdata.replace()
            done = [self.flush(window, data) for window, data in self.by_window()]
            return any(done)

        self.collector.flush_data = flush_data

    def by_window(self) -> list[tuple[str, dict[str, set[Any]]]]:
        """Return copies of what is held, by windows; the one that goes on comes last."""
        taken = self.copy()
        return [*self.windows.held().items(), (self.windows.name, taken)]

    def flush(self, window: str, data: dict[str, set[Any]]) -> bool:
        """Add `data` of a window to the data of the live Coverage object."""
        stand_in: Any = copy.copy(self.collector)
        stand_in.data = data
        stand_in.tracers = []
        stand_in._activity = lambda: True
        if self.windows.names:
            parts = (self.collector.static_context, window)
            stand_in.covdata.set_context("|".join(filter(None, parts)) or None)
        return bool(type(self.collector).flush_data(stand_in))
