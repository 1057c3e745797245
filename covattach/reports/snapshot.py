"""A snapshot as we read it: what a target says it has executed, checked before it is believed.

    decode(header, blob) -> Snapshot      from a reply of the agent (`dump` and `stop`)
    read_snapshot(path) -> Snapshot       from a file that the target saved (autosave, exit)

Both raise SnapshotError and nothing else for whatever a hostile or damaged target can send.  The
memory that they take is bounded by the bytes that are really there, never by a number in the
header.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from covattach.errors import CovattachError

Lines = dict[str, set[int]]
Arcs = dict[str, set[tuple[int, int]]]

KINDS = ("lines", "arcs", "packed")
WORD = 8  # bytes a number: payloads/snapshot.py sends signed 64-bit numbers
LONGEST_NAME = 4096  # bytes: PATH_MAX of Linux
LONGEST_HEADER = 1 << 26  # bytes; 100,000 files with long names are 20 MB
LONGEST_BLOB = 1 << 27  # bytes; ten million executed lines are 80 MB
HIGHEST_LINE = 10_000_000
# A data file holds a bit for each line up to the highest that ran.  This bounds all of them to
# 128 MiB, where a thousand files with a single made-up line each would otherwise fill the disk.
HIGHEST_LINES_IN_ALL = 1 << 30
LATEST = 1e11  # seconds since 1970: the year 5138

# Packed arcs (coverage/ctracer/tracer.c, CTracer_record_pair): two magnitudes, then two signs.
HALF = (1 << 28) - 1
FIRST_IS_NEGATIVE = 1 << 56
SECOND_IS_NEGATIVE = 1 << 57
PACKED_END = 1 << 58

NOT_FACTS = {"kind", "files", "file_tracers", "taken", "blob", "protocol"}


class SnapshotError(CovattachError):
    """What came from the target, or lies in its session's folder, is not a snapshot."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, the end of the sentence "The snapshot is damaged: …"."""
        super().__init__(
            f"The snapshot of the target is damaged: {reason}.",
            "Dump once more; if it happens again, stop the session and start a new one.",
        )


@dataclass(frozen=True)
class Snapshot:
    """Everything that a target had executed at one moment.

    `kind` is what the target sent: "lines", or "arcs" or "packed" in branch mode.  `files` maps
    the target's file names to executed lines, or, for both kinds of arcs, to pairs of lines, in
    which a negative number is an entry or exit as coverage has it.  `file_tracers` maps file
    names to names of coverage plugins.  `taken` is in seconds since 1970, by the target's clock.
    `facts` are the other fields of the reply (`pid`, `python`, `core`, …), unchecked.
    """

    kind: str
    files: Lines | Arcs
    file_tracers: dict[str, str]
    taken: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def branch(self) -> bool:
        """Tell whether `files` holds arcs."""
        return self.kind != "lines"

    @property
    def points(self) -> int:
        """Return how many lines or arcs there are."""
        return sum(len(held) for held in self.files.values())


def decode(header: dict[str, Any], blob: bytes) -> Snapshot:
    """Return the snapshot that the agent sent as `header` and `blob`; raises SnapshotError."""
    kind = header.get("kind")
    if kind not in KINDS:
        raise SnapshotError("it does not say whether it holds lines or arcs")
    counts = check_counts(header.get("files"), blob)
    arcs: Arcs = {}
    lines: Lines = {}
    for name, numbers in split(counts, blob):
        # Two names of the target's are one where one of them leads through a link.
        if kind == "lines":
            lines.setdefault(name, set()).update(check_lines(numbers))
        else:
            decoded = unpack(numbers) if kind == "packed" else pair(numbers)
            arcs.setdefault(name, set()).update(decoded)
    if sum(max(held, default=0) for held in lines.values()) > HIGHEST_LINES_IN_ALL:
        raise SnapshotError("its line numbers are absurdly high")
    return Snapshot(
        kind=kind,
        files=lines if kind == "lines" else arcs,
        file_tracers=check_tracers(header.get("file_tracers", {})),
        taken=check_time(header.get("taken")),
        facts={name: value for name, value in header.items() if name not in NOT_FACTS},
    )


def check_counts(files: Any, blob: bytes) -> list[tuple[str, int]]:
    """Return file names with their counts of numbers, which together are exactly the blob."""
    if not isinstance(files, list):
        raise SnapshotError("its list of files is missing")
    counts = []
    for entry in files:
        if not isinstance(entry, list | tuple) or len(entry) != 2:
            raise SnapshotError("an entry in its list of files is not a name and a count")
        name, count = entry
        if type(count) is not int or count < 0:
            raise SnapshotError("a count in its list of files is not a natural number")
        counts.append((check_name(name), count))
    if WORD * sum(count for _, count in counts) != len(blob):
        raise SnapshotError(f"it holds {len(blob)} bytes, and promises another number of them")
    return counts


def check_name(name: Any) -> str:
    """Return `name` if it can be the name of a file in a data file; raises SnapshotError."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise SnapshotError("a name in it is not that of a file")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        # coverage measures no such file: sqlite could not hold its name.
        raise SnapshotError("a name in it is not UTF-8") from None
    if len(encoded) > LONGEST_NAME:
        raise SnapshotError(f"a name in it has {len(encoded)} bytes")
    return name


def split(counts: list[tuple[str, int]], blob: bytes) -> Iterator[tuple[str, array[int]]]:
    """Yield each name with its numbers, one file at a time."""
    view, at = memoryview(blob), 0
    for name, count in counts:
        numbers = array("q")
        numbers.frombytes(view[at : at + WORD * count])
        at += WORD * count
        yield name, numbers


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


def check_tracers(tracers: Any) -> dict[str, str]:
    """Return file names with the plugins that traced them; raises SnapshotError."""
    if not isinstance(tracers, dict):
        raise SnapshotError("its list of plugins is not one")
    # A plugin's name is written to the data file as a file's is, so the same must hold for it.
    return {check_name(name): check_name(plugin) for name, plugin in tracers.items()}


def check_time(taken: Any) -> float:
    """Return `taken`, in seconds since 1970, as a float; raises SnapshotError."""
    if type(taken) not in (int, float) or not 0 <= taken < LATEST:
        raise SnapshotError("it does not say when it was taken")
    return float(taken)


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot in a file that a target saved; raises SnapshotError.

    The file is the target's to write, and the reader may be root: nothing but a plain file is
    read, and what it holds shows in no message.
    """
    try:
        with open_plain(path) as file:
            header = parse(file.readline(LONGEST_HEADER + 1))
            blob = file.read(LONGEST_BLOB + 1)
    except OSError as error:
        raise SnapshotError(f"it cannot be read ({error.strerror})") from error
    if len(blob) > LONGEST_BLOB:
        raise SnapshotError("it is too long")
    return decode(header, blob)


@contextlib.contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is neither a link nor anything whose reading could wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise SnapshotError("it is not a plain file")
        if facts.st_size > LONGEST_HEADER + LONGEST_BLOB:
            raise SnapshotError("it is too long")
        yield file


def parse(line: bytes) -> dict[str, Any]:
    """Return the header of a file, its first line; raises SnapshotError."""
    if not line.endswith(b"\n"):
        raise SnapshotError("its header has no end")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        raise SnapshotError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise SnapshotError("its header is not a JSON object")
    return header
