"""Lines and arcs as they go over the wire: in the way that takes the least time in the target.

That is `marshal`, which takes a third of the time of an array, of the lines or pairs of lines of
several files together: one list for each file takes longer.  So does one long list, which is built
in memory that is new to the process, page by page.
"""

from __future__ import annotations

import marshal
from array import array
from operator import is_
from typing import Any

from .windows import NUMBERS

FILES = 32  # in a batch: with some 100 lines each, 50 kB


class Batches:
    """The lines or arcs of a collector's files, in batches; `kind` says which of both."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        # By its place: the sets of a batch, how many each had, and those as they go over the wire.
        self.encoded: dict[int, tuple[list[Any], list[int], bytes]] = {}

    def encode(self, every: list[Any]) -> tuple[list[int], list[bytes]]:
        """Return how many lines or arcs are held of each file, and the bytes of each batch."""
        counts: list[int] = []
        blob = []
        encoded = self.encoded  # whatever another thread lets us forget meanwhile
        for at in range(0, len(every), FILES):
            held = every[at : at + FILES]
            known = encoded.get(at)
            if known is None or not self.is_as_it_was(known, held):
                known = encoded[at] = held, *self.wired(held)
            counts += known[1]
            blob.append(known[2])
        return counts, blob

    @staticmethod
    def is_as_it_was(known: tuple[list[Any], list[int], bytes], held: list[Any]) -> bool:
        """Tell whether a batch has nothing new since it was encoded.

        Sets only ever become more until `discard`: if they have as many as the last time, they are
        the same, and an application that has come to rest is not gone through again.
        """
        return known[1] == list(map(len, held)) and all(map(is_, known[0], held))

    def wired(self, held: list[Any]) -> tuple[list[int], bytes]:
        """Return how many each set has, and those as they go over the wire.

        Each set is copied at once, under the GIL.  Without references to what came before, which
        version 2 of `marshal` has not, each item takes as many bytes as the next; so whoever
        reads it needs no `marshal`, which must not be given what is not trusted.
        """
        whole: list[Any] = []
        ends = [0]
        for some in held:
            whole.extend(some)
            ends.append(len(whole))
        counts = [end - begin for begin, end in zip(ends, ends[1:])]
        if self.kind == "packed":
            return counts, array(NUMBERS, whole).tobytes()
        return counts, marshal.dumps(whole, 2)

    def discard(self) -> None:
        """Take nothing for known: sets have become less."""
        self.encoded = {}


def bits(collector: Any) -> int:
    """Return by how many bits the second line of a packed arc is shifted: 20 or 28.

    20 in coverage 7.10 (CTracer_record_pair); the code that unpacks them has the mask.
    """
    constants = type(collector).flush_data.__code__.co_consts
    return 20 if (1 << 20) - 1 in constants else 28
