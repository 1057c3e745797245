"""A snapshot from a target, checked before it is believed.

    decode(header, blob) -> Snapshot      from a reply of the agent, or from a file (saved_file.py)
    encode(snapshot) -> header, blob      for a file

Whatever a hostile or damaged target sends, only SnapshotError is raised.  The memory is bounded
by the bytes that are really there, never by a number in the header.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from typing import Any

from covattach.snapshot import header as headers
from covattach.snapshot.header import Counts
from covattach.snapshot.imported_modules import ImportedModules
from covattach.snapshot.lines_and_arcs import (
    HIGHEST_LINE,
    SnapshotError,
    decoded,
    marshalled_size,
    unmarshalled,
)

__all__ = ["HIGHEST_LINE", "Snapshot", "SnapshotError", "decode"]
Lines = dict[str, set[int]]
Arcs = dict[str, set[tuple[int, int]]]

KINDS = ("lines", "arcs", "packed")
WORD = 8  # bytes of a number that is not marshalled: signed, of 64 bits
# A data file holds a bit for each line up to the highest that ran, and coverage looks at each bit.
# So their number is bounded by that of the lines that ran: otherwise a thousand files with a single
# made-up line each would take minutes.
SPARSE, HIGHEST_AT_LEAST = 1000, 50_000_000
HIGHEST_LINES_IN_ALL = 1 << 30

NOT_FACTS = {
    "kind",
    "marshalled",
    "shift",
    "files",
    "file_tracers",
    "taken",
    "blob",
    "protocol",
    "windows",
    "imported",
}


@dataclass(frozen=True)
class Snapshot:
    """The lines or arcs that a target had executed at one moment.

    `kind` is "lines", or "arcs" or "packed" in branch mode, as sent.  `files` maps the target's
    file names to executed lines or arcs.  An arc, of both kinds, is a pair of lines, where a
    negative number is an entry or exit as coverage has it.  `file_tracers` maps file names to names
    of coverage plugins.  `taken` is in seconds since 1970, by the target's clock.  `facts` are the
    other fields of the reply (`pid`, `python`, `core`, …), unchecked.  `windows` maps the names of
    windows to their parts of `files`, in the same form; "" is the part outside of all windows.  It
    is empty if nobody has marked a window.  `loads` are the modules imported before the attach;
    none if the target did not tell.  `process` is a name for the process in its tree, "" without
    one.  `witness`, a covattach.snapshot.witness.Witness, has the users who could have made the
    snapshot: without it, no source is looked at.
    """

    kind: str
    files: Lines | Arcs
    file_tracers: dict[str, str]
    taken: float
    facts: dict[str, Any] = field(default_factory=dict)
    windows: dict[str, Lines | Arcs] = field(default_factory=dict)
    process: str = ""
    loads: ImportedModules = field(default_factory=ImportedModules)
    witness: object = None

    @property
    def branch(self) -> bool:
        """Tell whether `files` holds arcs."""
        return self.kind != "lines"

    @property
    def points(self) -> int:
        """Return how many lines or arcs `files` holds."""
        return sum(len(held) for held in self.files.values())


def decode(header: dict[str, Any], blob: bytes) -> Snapshot:
    """Return the snapshot that the agent sent as `header` and `blob`; raises SnapshotError."""
    kind = header.get("kind")
    if kind not in KINDS:
        raise SnapshotError("it does not say whether it holds lines or arcs")
    counts = headers.check_counts(header.get("files"))
    ended = headers.check_windows(header.get("windows"), counts)
    every = [(headers.check_window(header.get("window", "")), counts), *ended]
    shift = headers.check_shift(header.get("shift", 28))
    windows: dict[str, Any] = {}
    batch = headers.check_batch(header.get("marshalled", 0))
    numbers = split(kind, [parts for _, parts in every], blob, batch)
    for window, parts in every:
        files = windows.setdefault(window, {})
        for (name, _), held in zip(parts, numbers, strict=False):
            # The same name comes twice if two paths in the target led to one file, by a link.
            files.setdefault(name, set()).update(decoded(kind, held, shift))
    if kind == "lines":
        check_bits(windows)
    return Snapshot(
        kind=kind,
        files=together(windows),
        file_tracers=headers.check_tracers(header.get("file_tracers", {})),
        taken=headers.check_time(header.get("taken")),
        facts={name: value for name, value in header.items() if name not in NOT_FACTS},
        windows=windows if ended else {},
        loads=headers.check_loads(header.get("imported")),
    )


def encode(snapshot: Snapshot) -> tuple[dict[str, Any], bytes]:
    """Return header and blob for `decode`; the modules imported before are left out."""
    places = {name: place for place, name in enumerate(snapshot.files)}
    windows = snapshot.windows or {"": snapshot.files}
    (window, current), *ended = windows.items()
    blob = [flat(current.get(name, ())) for name in places]
    described: list[list[Any]] = [["", []]] if snapshot.windows else []
    for title, files in ended:
        counts: list[int] = []
        for name, held in files.items():
            blob.append(flat(held))
            counts += (places[name], len(blob[-1]))
        described.append([title, counts])
    header = {
        **snapshot.facts,
        "kind": "arcs" if snapshot.branch else "lines",
        "files": [[name, len(numbers)] for name, numbers in zip(places, blob, strict=False)],
        "file_tracers": snapshot.file_tracers,
        "taken": snapshot.taken,
        "window": window,
        "windows": described,
    }
    return header, b"".join(numbers.tobytes() for numbers in blob)


def flat(held: Any) -> array[int]:
    """Return a set of lines, or of pairs of lines, as one array of 64-bit numbers."""
    return array("q", (n for one in held for n in (one if isinstance(one, tuple) else (one,))))


def together(windows: dict[str, Any]) -> Any:
    """Return the union of the windows' lines or arcs, by file."""
    if len(windows) == 1:
        return next(iter(windows.values()))
    union: dict[str, set[Any]] = {}
    for files in windows.values():
        for name, held in files.items():
            union.setdefault(name, set()).update(held)
    return union


def check_bits(windows: dict[str, Lines]) -> None:
    """Raise SnapshotError for lines that would make a data file absurdly large."""
    all_held = [held for files in windows.values() for held in files.values()]
    most = min(HIGHEST_AT_LEAST + SPARSE * sum(map(len, all_held)), HIGHEST_LINES_IN_ALL)
    if sum(max(held, default=0) for held in all_held) > most:
        raise SnapshotError("its line numbers are absurdly high")


def split(kind: str, windows: list[Counts], blob: bytes, batch: int) -> Iterator[array[int]]:
    """Return the numbers in the blob, in one array for each file of each window.

    `windows` are lists of counts, the current window's first.  Its numbers may be marshalled, a
    `batch` of files at a time; others are 64-bit words.  Raises SnapshotError.
    """
    first, *others = [[count for _, count in counts] for counts in windows]
    batches = [first[at : at + batch] for at in range(0, len(first), batch)] if batch else []
    words = list(chain(*others)) if batch else list(chain(first, *others))
    ends = list(accumulate((marshalled_size(kind, sum(counts)) for counts in batches), initial=0))
    if ends[-1] + WORD * sum(words) != len(blob):
        raise SnapshotError(f"it holds {len(blob)} bytes, and promises another number of them")
    numbers = (unmarshalled(kind, blob[begin:end]) for begin, end in pairwise(ends))
    marshalled = map(cut, numbers, batches)
    return chain(chain.from_iterable(marshalled), cut(array("q", blob[ends[-1] :]), words))


def cut(numbers: array[int], counts: list[int]) -> Iterator[array[int]]:
    """Yield consecutive parts of `numbers`, of the lengths in `counts`."""
    for begin, end in pairwise(accumulate(counts, initial=0)):
        yield numbers[begin:end]
