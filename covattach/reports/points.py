"""Lines and arcs out of the numbers that a target sends, checked one by one.

decoded(kind, numbers) -> set       lines, or pairs of lines; raises SnapshotError
"""

from __future__ import annotations

from array import array
from typing import Any

from covattach.errors import CovattachError

HIGHEST_LINE = 10_000_000

# Packed arcs (coverage/ctracer/tracer.c, CTracer_record_pair): two magnitudes, then two signs.
HALF = (1 << 28) - 1
FIRST_IS_NEGATIVE = 1 << 56
SECOND_IS_NEGATIVE = 1 << 57
PACKED_END = 1 << 58


class SnapshotError(CovattachError):
    """What came from the target, or lies in its session's folder, is not a snapshot."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, the end of the sentence "The snapshot is damaged: …"."""
        super().__init__(
            f"The snapshot of the target is damaged: {reason}.",
            "Dump once more; if it happens again, stop the session and start a new one.",
        )


def decoded(kind: str, numbers: array[int]) -> set[Any]:
    """Return the lines or arcs of a file, as a snapshot of this kind holds them.

    Raises SnapshotError.
    """
    if kind == "lines":
        return set(check_lines(numbers))
    return unpack(numbers) if kind == "packed" else pair(numbers)


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
    """Return arcs from their ends, one after the other; raises SnapshotError."""
    if len(numbers) % 2:
        raise SnapshotError("one of its arcs has a beginning and no end")
    return check_arcs(set(zip(numbers[::2], numbers[1::2], strict=True)))


def unpack(numbers: array[int]) -> set[tuple[int, int]]:
    """Return arcs from the C tracer's packed ones; raises SnapshotError."""
    if numbers and (min(numbers) < 0 or max(numbers) >= PACKED_END):
        raise SnapshotError("one of its packed arcs is out of range")
    return check_arcs(
        {
            (
                -(number & HALF) if number & FIRST_IS_NEGATIVE else number & HALF,
                -(number >> 28 & HALF) if number & SECOND_IS_NEGATIVE else number >> 28 & HALF,
            )
            for number in numbers
        }
    )
