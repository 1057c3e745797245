"""The header of a snapshot, checked field by field; a bad one raises SnapshotError."""

from __future__ import annotations

from typing import Any

from covattach.snapshot.imported_modules import ImportedModules, NotLoads, check
from covattach.snapshot.lines_and_arcs import SHIFTS, SnapshotError

Counts = list[tuple[str, int]]
LONGEST_NAME = 4096  # bytes: PATH_MAX of Linux
MOST_FILES, MOST_WINDOWS = 200_000, 20_000  # in a program with 100,000 files half are seen
LATEST = 1e11  # seconds since 1970: the year 5138


def check_counts(files: Any) -> Counts:
    """Return the list of files in a header, checked: names, each with its count of numbers.

    The numbers are in the blob.  Raises SnapshotError.
    """
    if not isinstance(files, list):
        raise SnapshotError("its list of files is missing")
    if len(files) > MOST_FILES:
        raise SnapshotError(f"it names {len(files)} files")
    counts = []
    for entry in files:
        if not isinstance(entry, list | tuple) or len(entry) != 2:
            raise SnapshotError("an entry in its list of files is not a name and a count")
        counts.append((check_name(entry[0]), check_count(entry[1])))
    return counts


def check_windows(windows: Any, files: Counts) -> list[tuple[str, Counts]]:
    """Return the ended windows in a header, checked: names, each with counts like `files`.

    There a window names files by their indices in `files`.  Raises SnapshotError.
    """
    found = []
    if not isinstance(windows, list | None):
        raise SnapshotError("its list of windows is not one")
    if len(windows or ()) > MOST_WINDOWS:
        raise SnapshotError("it has absurdly many windows")
    for entry in windows or ():
        if not isinstance(entry, list | tuple) or len(entry) != 2:
            raise SnapshotError("an entry in its list of windows is not a name and a list")
        name, flat = entry
        if not isinstance(flat, list) or len(flat) % 2:
            raise SnapshotError("a window in it does not say which files are in it")
        at, counts = map(check_count, flat[::2]), map(check_count, flat[1::2])
        try:
            named = [(files[place][0], count) for place, count in zip(at, counts, strict=True)]
        except IndexError:
            raise SnapshotError("a window in it has a file that is not there") from None
        found.append((check_window(name), named))
    return found


def check_count(count: Any) -> int:
    """Return `count` if it is a natural number; raises SnapshotError."""
    if type(count) is not int or count < 0:
        raise SnapshotError("a count in its list of files is not a natural number")
    return count


def check_batch(batch: Any) -> int:
    """Return how many files are marshalled at a time, or 0 if none is; raises SnapshotError.

    Older agents send True: each file is marshalled by itself.
    """
    if not isinstance(batch, int) or batch < 0:
        raise SnapshotError("it does not say how many files are marshalled at a time")
    return int(batch)


def check_shift(shift: Any) -> int:
    """Return `shift`, the number of bits of a line in a packed arc; raises SnapshotError."""
    if shift not in SHIFTS:
        raise SnapshotError("it does not say how its arcs are packed")
    return int(shift)


def check_window(name: Any) -> str:
    """Return `name` if it can be the name of a window; raises SnapshotError."""
    return name if name == "" else check_name(name)


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


def check_tracers(tracers: Any) -> dict[str, str]:
    """Return `tracers`, a mapping of file names to plugins, checked; raises SnapshotError."""
    if not isinstance(tracers, dict):
        raise SnapshotError("its list of plugins is not one")
    # A plugin's name is written to the data file as a file's is, so the same must hold for it.
    return {check_name(name): check_name(plugin) for name, plugin in tracers.items()}


def check_time(taken: Any) -> float:
    """Return `taken`, in seconds since 1970, as a float; raises SnapshotError."""
    if type(taken) not in (int, float) or not 0 <= taken < LATEST:
        raise SnapshotError("it does not say when it was taken")
    return float(taken)


def check_loads(imported: Any) -> ImportedModules:
    """Return the header's description of imported modules, checked; raises SnapshotError."""
    try:
        return check(imported)
    except NotLoads as error:
        raise SnapshotError(str(error)) from None
