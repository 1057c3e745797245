"""A snapshot: everything that was measured so far, copied out without losing a line.

coverage's own `save()` copies each set and then clears it.  A line that an application thread adds
in between is lost, and sysmon never reports it again.  Here nothing is cleared: `set.copy()` and
`list(set)` are atomic under the GIL, so a line is in this snapshot or in the next, and in all that
follow.
"""

from __future__ import annotations

import copy
import sys
from itertools import chain
from typing import Any

from ..coverage_import import lazy_import
from ..snapshot.encoding import bits
from .encoding import FILES, Batches
from .windows import Windows


def kind_of(collector: Any) -> str:
    """Return the kind of the sets' items: "lines", "arcs" (pairs), "packed" (pairs in one number).

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
        # The results of `map_file`; coverage's own cache would keep the collector alive for good.
        self.mapped: dict[str, str] = {}
        self.names: Any = sys.modules["coverage.files"]  # it may be stashed before a dump
        self.batches = Batches(self.kind)

    def copy(self) -> dict[str, set[Any]]:
        """Return a copy of the sets: file name to lines, arcs or packed arcs."""
        return {name: held.copy() for name, held in list(self.collector.data.items())}

    def taken(self) -> dict[str, list[Any]]:
        """Return a copy of the sets as lists, which are made in a third of the time."""
        return {name: list(held) for name, held in list(self.collector.data.items())}

    def encode(
        self, taken: dict[str, list[Any]] | None = None
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Return a snapshot of `taken`, or else of the present data: a header for JSON, and a blob.

        The blob has the files in the header's order: first those of the current window, in batches.
        Those of ended windows follow, as words of 64 bits.  For each the header has the name, and
        by turns the index of a file in `files` and how many numbers follow for that.

        Another thread may begin a window meanwhile.  It adds data to `closed` before it takes them
        out of the sets: so the sets are looked at first, and `closed` afterwards.
        """
        now = self.collector.data if taken is None else taken
        window = self.windows.name
        names = list(dict.fromkeys(chain(list(now), *self.windows.closed.values())))
        counts, blob = self.batches.encode([now.get(name, ()) for name in names])
        self.map_canonical()
        mapped, ends = self.mapped, 2 if self.kind == "arcs" else 1
        header = {
            "kind": self.kind,
            "marshalled": self.kind != "packed" and FILES,
            "shift": bits(self.collector),
            "files": [
                [mapped.get(name) or self.map_file(name), ends * count]
                for name, count in zip(names, counts)
            ],
            "file_tracers": {
                self.map_file(name): tracer
                for name, tracer in list(self.collector.file_tracers.items())
            },
        }
        closed = self.windows.closed
        if len(closed) > 1 or any(closed.values()):
            ended, words = self.encode_ended(closed, names)
            header.update(window=window, windows=ended)
            blob.append(words)
        return header, blob

    @staticmethod
    def encode_ended(closed: dict[str, Any], names: list[str]) -> tuple[list[Any], bytes]:
        """Return the windows in `closed` for the header, and their numbers as bytes.

        Only files in `names` count: another is so new that all of it came after the snapshot.
        """
        places = {name: place for place, name in enumerate(names)}
        ended, words = [], []
        for window, files in closed.items():
            counts: list[int] = []
            for name, numbers in files.items():
                if name not in places:
                    continue
                counts += places[name], len(numbers)
                words.append(numbers.tobytes())
            ended.append([window, counts])
        return ended, b"".join(words)

    def map_canonical(self) -> None:
        """Note the names that coverage's mapper would return unchanged, after asking the disk.

        Its `abs_file` follows links, which has been done for the results of `canonical_filename`.
        """
        new = self.collector.data.keys() - self.mapped.keys()
        if new and self.collector.file_mapper is self.names.abs_file:
            new.intersection_update(self.names.CANONICAL_FILENAME_CACHE.values())
            self.mapped.update(zip(new, new))

    def map_file(self, name: str) -> str:
        """Return the file name as coverage would write it to its data file."""
        if name not in self.mapped:
            self.mapped[name] = self.collector.file_mapper(name)
        return self.mapped[name]

    def discard(self, taken: Any) -> None:
        """Drop the items of `taken`, an earlier copy; leave those that came since."""
        for name, held in taken.items():
            self.collector.data[name].difference_update(held)
        self.batches.discard()

    def begin_anew(self) -> dict[str, set[Any]]:
        """Forget everything, and return the sets' content; the current window goes on."""
        taken = self.copy()
        self.discard(taken)
        self.windows.discard()
        return taken

    def begin_window(self, name: str) -> dict[str, set[Any]]:
        """End the current window, begin the one called `name`, and return the sets' content.

        Lines that run meanwhile are in the one or in the other.  Another thread that saves before
        `begin` finds in the old window all that was taken out of the sets.
        """
        taken = self.copy()
        self.windows.close(taken)
        self.discard(taken)
        self.windows.begin(name)
        return taken

    def held(self) -> int:
        """Return how many lines or arcs coverage's sets hold: those of the window that goes on."""
        return sum(len(held) for held in list(self.collector.data.values()))

    def points(self) -> int:
        """Return the number of lines or arcs in all windows together, each counted once."""
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
            if isinstance(self.collector.covdata, lazy_import.LazyCoverageData):
                self.collector.covdata.replace()
            done = [self.flush(window, data) for window, data in self.by_window()]
            return any(done)

        self.collector.flush_data = flush_data

    def by_window(self) -> list[tuple[str, dict[str, set[Any]]]]:
        """Return copies of the data as (window, data by file name); the current one comes last."""
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
