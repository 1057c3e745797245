"""A snapshot: everything that was measured so far, copied out without losing a line.

coverage's own `save()` copies each set and then clears it; what an application thread adds in
between is gone, and sysmon never reports it again.  Here nothing is cleared: `set.copy()` is
atomic under the GIL, so a line is in this snapshot or in the next, and in all that follow.
"""

from __future__ import annotations

import copy
from array import array
from itertools import chain
from typing import Any

from . import later, tracers

NUMBERS = "q"  # 64 bits: packed arcs need 58


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
        # coverage's own cache of this would keep the collector alive for good.
        self.mapped: dict[str, str] = {}

    def copy(self) -> dict[str, set[Any]]:
        """Return a copy of what is held: file name to lines, arcs or packed arcs."""
        return {name: held.copy() for name, held in list(self.collector.data.items())}

    def encode(self, taken: dict[str, set[Any]]) -> tuple[dict[str, Any], bytes]:
        """Return a copy as a header for JSON, and its numbers as bytes in the header's order."""
        files = []
        blob = []
        for name, held in taken.items():
            flat: Any = chain.from_iterable(held) if self.kind == "arcs" else held
            if self.kind == "packed" and tracers.bits(self.collector) == 20:
                flat = map(tracers.widened, held)
            numbers = array(NUMBERS, flat)
            files.append([self.map_file(name), len(numbers)])
            blob.append(numbers.tobytes())
        header = {
            "kind": self.kind,
            "files": files,
            "file_tracers": {
                self.map_file(name): tracer for name, tracer in self.collector.file_tracers.items()
            },
        }
        return header, b"".join(blob)

    def map_file(self, name: str) -> str:
        """Return the file name as coverage would write it to its data file."""
        if name not in self.mapped:
            self.mapped[name] = self.collector.file_mapper(name)
        return self.mapped[name]

    def forget(self, taken: dict[str, set[Any]]) -> None:
        """Drop what `taken`, an earlier copy, holds; leave what came since."""
        for name, held in taken.items():
            self.collector.data[name].difference_update(held)

    def points(self) -> int:
        """Return how many lines or arcs are held."""
        return sum(len(held) for held in list(self.collector.data.values()))

    def make_flush_lossless(self) -> None:
        """Make `save` and the reports of the live Coverage object lossless too.

        They all come through the collector's `flush_data`; it works on a stand-in from now on,
        whose sets are copies, so that clearing them clears nothing that is still being filled.
        """

        def flush_data() -> bool:
            if isinstance(self.collector.covdata, later.DataLater):
                self.collector.covdata.replace()
            stand_in: Any = copy.copy(self.collector)
            stand_in.data = self.copy()
            stand_in.tracers = []
            stand_in._activity = lambda: True
            return bool(type(self.collector).flush_data(stand_in))

        self.collector.flush_data = flush_data
