"""Lines and arcs out of the numbers that a target sends, checked one by one.

unmarshalled(kind, blob) -> array   numbers of a list of lines or pairs, written by `marshal`
decoded(kind, numbers) -> set       lines, or pairs of lines

Both raise SnapshotError.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

from covattach.errors import CovattachError

HIGHEST_LINE = 10_000_000

# Packed arcs (coverage/ctracer/tracer.c, CTracer_record_pair): two magnitudes, then two signs.
SHIFTS = (20, 28)  # bits of a magnitude: 20 in coverage 7.10

# What `marshal` puts around 32-bit numbers (Python/marshal.c, version 2): a list of so many; a
# number; a tuple of two.
LIST, NUMBER, PAIR = b"[", b"i", b"(\x02\x00\x00\x00"
HEAD = 5  # bytes: LIST and its length


class SnapshotError(CovattachError):
    """Data from the target, or from its session's folder, is not a snapshot."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, the end of the sentence "The snapshot is damaged: …"."""
        super().__init__(
            f"The snapshot of the target is damaged: {reason}.",
            "Dump once more; if it happens again, stop the session and start a new one.",
        )


def marshalled_size(kind: str, count: int) -> int:
    """Return the size of `count` numbers in bytes, as `unmarshalled` reads them.

    `kind` "arcs" has pairs of numbers; both numbers of a pair count.
    """
    pairs = count // 2 if kind == "arcs" else 0
    return HEAD + count * (len(NUMBER) + 4) + pairs * len(PAIR)


def unmarshalled(kind: str, blob: bytes) -> array[int]:
    """Return the numbers of a list of lines, or of pairs of lines, that `marshal` has written.

    Every byte that is not of a number must be the expected one: `marshal` itself, which believes
    its input, is not used.  Raises SnapshotError.
    """
    # One item, with dots for the bytes of its numbers.
    item = PAIR + 2 * (NUMBER + b"....") if kind == "arcs" else NUMBER + b"...."
    count, rest = divmod(len(blob) - HEAD, len(item))
    if rest or blob[:HEAD] != LIST + count.to_bytes(4, "little"):
        raise SnapshotError("its numbers are cut off")
    width = item.count(b".")
    found, at = bytearray(width * count), 0
    for place, byte in enumerate(item):
        column = blob[HEAD + place :: len(item)]
        if byte == ord("."):
            found[at::width] = column
            at += 1
        elif column != bytes([byte]) * count:
            raise SnapshotError("a number in it is not where it should be")
    numbers = array("i", bytes(found))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def decoded(kind: str, numbers: array[int], shift: int = 28) -> set[Any]:
    """Return the set of lines or arcs that `numbers`, those of one file, stand for.

    `kind` is the snapshot's.  `shift` is the number of bits of a line in a packed arc.  Raises
    SnapshotError.
    """
    if kind == "lines":
        return set(check_lines(numbers))
    return unpack(numbers, shift) if kind == "packed" else pair(numbers)


def check_lines(numbers: array[int]) -> array[int]:
    """Return `numbers` if each can be the number of a line; raises SnapshotError."""
    # Line 0 is real: it is that of a module's own first instruction since Python 3.11.
    if numbers and (min(numbers) < 0 or max(numbers) > HIGHEST_LINE):
        raise SnapshotError("a line number in it is negative or absurdly high")
    return numbers


def check_arcs(arcs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return `arcs` if each has two line numbers, signs aside; raises SnapshotError."""
    if any(abs(first) > HIGHEST_LINE or abs(second) > HIGHEST_LINE for first, second in arcs):
        raise SnapshotError("a line number in it is absurdly high")
    return arcs


def pair(numbers: array[int]) -> set[tuple[int, int]]:
    """Return the arcs in `numbers`, which are the two lines of each in turn.

    Raises SnapshotError.
    """
    if len(numbers) % 2:
        raise SnapshotError("one of its arcs has a beginning and no end")
    return check_arcs(set(zip(numbers[::2], numbers[1::2], strict=True)))


def unpack(numbers: array[int], shift: int) -> set[tuple[int, int]]:
    """Return the arcs in `numbers`, each packed into one by the C tracer; raises SnapshotError.

    `shift` is the number of bits of a line.
    """
    half = (1 << shift) - 1
    first_is_negative, second_is_negative = 1 << 2 * shift, 2 << 2 * shift
    if numbers and (min(numbers) < 0 or max(numbers) >= 4 << 2 * shift):
        raise SnapshotError("one of its packed arcs is out of range")
    return check_arcs(
        {
            (
                -(number & half) if number & first_is_negative else number & half,
                -(number >> shift & half)
                if number & second_is_negative
                else number >> shift & half,
            )
            for number in numbers
        }
    )
