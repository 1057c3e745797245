"""Loads: which source files a target had loaded before it was measured, and how far each had got.

    check(header) -> Loads                     from a snapshot's header (payloads/imported.py)
    Loads.of(name) -> frozenset[Load]          of one file, by any of its names
    merged(loads, names) -> Loads              of several processes, for the files of those names
    to_note(loads), from_note(note)            in our note in the data file

What that means for the lines of a file is for covattach.reports.toplevel to say.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from covattach.reports.eyes import eyes

HIGHEST_LINE = 10_000_000
MOST_FILES = 200_000
LATEST = 1e11  # seconds since 1970: the year 5138


class NotLoads(ValueError):
    """What the target sends does not describe its imports."""


class Load(NamedTuple):
    """One module made from a file.

    `main` says whether it is the main program.  `reached` is None for a module that is through,
    otherwise a line that it has reached, or 0; `standing` if it is known to be there still.
    `python` is the major and minor version.  None for what is not known.
    """

    main: bool | None
    reached: int | None
    standing: bool
    python: tuple[int, int] | None


@dataclass(frozen=True)
class Loads:
    """What had been loaded: file names, as the target has them, to their modules.

    `since`, in seconds since 1970, is a time before which none of them was; None if not known.
    """

    since: float | None = None
    files: dict[str, frozenset[Load]] = field(default_factory=dict)

    @functools.cached_property
    def resolved(self) -> dict[str, set[Load]]:
        """The same with the names that coverage gives them, which lead through no link."""
        found: dict[str, set[Load]] = {}
        folders: dict[str, str] = {}
        for name, loads in self.files.items():
            folder, _, base = name.rpartition("/")
            if folder not in folders:
                folders[folder] = eyes().realpath(folder or "/")
            full = os.path.join(folders[folder], base)
            found.setdefault(eyes().realpath(full) if eyes().is_link(full) else full, set()).update(
                loads
            )
        return found

    def of(self, name: str) -> frozenset[Load]:
        """Return the modules made from a file; relative names start from our current directory."""
        return frozenset(self.resolved.get(eyes().realpath(name), ()))


def check(header: Any) -> Loads:
    """Return what the agent says of imports; of one that says nothing, nothing.

    Raises NotLoads for anything that an agent would not send.
    """
    if not header:
        return Loads()
    if not isinstance(header, dict) or not isinstance(header.get("modules"), list):
        raise NotLoads("what it says of imports is not understood")
    since, python = header.get("since"), header.get("python")
    if not isinstance(since, int | float) or not 0 <= since < LATEST:
        raise NotLoads("it does not say since when files were imported")
    if not isinstance(python, list) or [type(part) for part in python] != [int, int]:
        raise NotLoads("it does not say for which Python files were imported")
    minor = python[0], python[1]
    through = frozenset([Load(False, None, False, minor)])
    files = dict.fromkeys(check_through(header.get("through", "")), through)
    for entry in header["modules"]:
        name, main, reached, standing = check_module(entry)
        files[name] = files.get(name, frozenset()) | {Load(main, reached, standing, minor)}
    return Loads(float(since), files)


def check_through(names: Any) -> list[str]:
    """Return the files whose modules are through; raises NotLoads."""
    if not isinstance(names, str):
        raise NotLoads("what it says of imports is not understood")
    if names.count("\0") > MOST_FILES:
        raise NotLoads("it names absurdly many imports")
    return [name for name in names.split("\0") if name]


def check_module(entry: Any) -> tuple[str, bool, int | None, bool]:
    """Return one entry of the list of modules; raises NotLoads."""
    if not isinstance(entry, list | tuple) or len(entry) != 4:
        raise NotLoads("an entry in its list of imports is not one")
    name, main, reached, standing = entry
    if not isinstance(name, str) or {type(main), type(standing)} != {bool} or "\0" in name:
        raise NotLoads("an entry in its list of imports is not one")
    if reached is not None and (type(reached) is not int or not 0 <= reached <= HIGHEST_LINE):
        raise NotLoads("a line in its list of imports is none")
    return name, main, reached, standing


def merged(several: Iterable[Loads], names: Iterable[str]) -> Loads:
    """Return what is known of all these processes, about files with one of these names.

    Only the last part of a name is looked at: it may lead through links to the same file.
    """
    wanted = {os.path.basename(name) for name in names}
    files: dict[str, set[Load]] = {}
    times = []
    for loads in several:
        times += [] if loads.since is None else [loads.since]
        for name, held in loads.files.items():
            if os.path.basename(name) in wanted:
                files.setdefault(name, set()).update(held)
    since = min(times, default=None)
    return Loads(since, {name: frozenset(held) for name, held in files.items()})


def to_note(loads: Loads) -> dict[str, Any]:
    """Return the same for JSON."""
    files = {name: sorted(held, key=repr) for name, held in loads.files.items() if is_utf8(name)}
    return {"since": loads.since, "files": files}


def from_note(note: dict[str, Any]) -> Loads:
    """Return what `to_note` was given; nothing if the note is not its."""
    try:
        files = {
            str(name): frozenset(
                Load(main, reached, standing, (python[0], python[1]))
                for main, reached, standing, python in entries
            )
            for name, entries in note["files"].items()
        }
        return Loads(note["since"], files)
    except (LookupError, TypeError, ValueError, AttributeError):
        return Loads()


def is_utf8(name: str) -> bool:
    """Tell whether a name can be written to a file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
