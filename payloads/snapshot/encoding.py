"""Encodes lines and arcs for the wire, in the way that takes the least time in the target.

That is `marshal`, in a third of the time of an array, for a list with the lines or pairs of several
files together.  One list for each file takes longer.  So does one long list, which is built in
memory that is new to the process, page by page.  Packed arcs become an array.
"""

from __future__ import annotations

import marshal
from array import array
from operator import is_
from typing import Any

from .windows import NUMBERS

FILES = 32  # files in a batch: 50 kB, if each has some 100 lines


class Batches:
    """Encodes a collector's sets of lines or arcs in batches, and keeps each for the next time.

    `kind` is that of `snapshot.kind_of`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        # By the index of a batch's first set: its sets, the size of each, and the encoded bytes.
        self.encoded: dict[int, tuple[list[Any], list[int], bytes]] = {}

    def encode(self, every: list[Any]) -> tuple[list[int], list[bytes]]:
        """Return the size of each set in `every`, and the encoded bytes of each batch of them."""
        counts: list[int] = []
        blob = []
        encoded = self.encoded  # the same one, if another thread calls `discard` meanwhile
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
        """Tell whether the sets `held` have nothing new since `known`, an item of `encoded`.

        Sets only grow until `discard`: one of the same size is the same.  So the sets of an
        application that has come to rest are not encoded again.
        """
        return known[1] == list(map(len, held)) and all(map(is_, known[0], held))

    def wired(self, held: list[Any]) -> tuple[list[int], bytes]:
        """Return the size of each set in `held`, and the encoded bytes of them all.

        Each set is copied at once, under the GIL.  Version 2 of `marshal` has no back references:
        each item takes as many bytes as the next.  So the receiver decodes them without `marshal`,
        which must not be given untrusted bytes.
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
        """Forget the encoded batches: to be called when sets have shrunk."""
        self.encoded = {}


def bits(collector: Any) -> int:
    """Return by how many bits the second line of a packed arc is shifted: 20 or 28.

    It is 20 in coverage 7.10 (CTracer_record_pair).  `flush_data`, which unpacks the arcs, has the
    mask among its constants.
    """
    constants = type(collector).flush_data.__code__.co_consts
    return 20 if (1 << 20) - 1 in constants else 28
