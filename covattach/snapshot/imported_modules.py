"""The modules that a target had imported before the attach, and how far each had got.

    check(header) -> ImportedModules             from a snapshot (payloads' imported_modules.py)
    ImportedModules.of(name) -> frozenset[…]     of one file, by any of its names
    merged(loads, names) -> ImportedModules      of several processes, for the files of those names
    to_note(loads), from_note(note)              in covattach's note in the data file

What that means for the lines of a file is for covattach.reports.import_time.toplevel to say.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from covattach.process.source_access import Files, current_files
from covattach.untrusted import is_name

HIGHEST_LINE = 10_000_000
MOST_FILES = 200_000
MOST_NAMED = 1 << 20  # characters of one module's names, or of its functions' lines
LONGEST_LINE = 10  # digits
LATEST = 1e11  # seconds since 1970: the year 5138


class NotLoads(ValueError):
    """The target's description of its imports is malformed."""


class ImportedModule(NamedTuple):
    """One import of a source file: the module made from it.

    `main` says whether it is the main program.  `reached` is None for a module that has run to its
    end, otherwise a line that it has reached, or 0.  `is_running` if its code is known to be still
    running.  `python` is the major and minor version, `optimize` the number of its -O options.
    Unknown ones are None.  `names` are those in its namespace, in the order of their binding, with
    blanks between them; "." marks a submodule.  `lines` are the first lines of the functions in it
    that come from the file.
    """

    main: bool | None
    reached: int | None
    is_running: bool
    python: tuple[int, int] | None
    optimize: int | None = None
    names: str = ""
    lines: str = ""


@dataclass(frozen=True)
class ImportedModules:
    """The modules that a target had loaded, by the names of their files, as the target has them.

    `since` and `noted`, in seconds since 1970, are the times between which they were loaded; None
    if not known.  `prefix` is the folder of compiled files, "" for those beside the sources.  After
    a merge, `first_noted` maps a file to the earliest `noted`.
    """

    since: float | None = None
    files: dict[str, frozenset[ImportedModule]] = field(default_factory=dict)
    noted: float | None = None
    prefix: str = ""
    first_noted: dict[str, float] = field(default_factory=dict)

    @functools.cached_property
    def given(self) -> dict[str, list[str]]:
        """The target's names for each file, by the path without links that coverage has."""
        found: dict[str, list[str]] = {}
        folders: dict[tuple[str, Files], str] = {}
        for name in self.files:
            folder, _, base = name.rpartition("/")
            files = current_files().of(name)
            if (folder, files) not in folders:
                folders[folder, files] = files.realpath(folder or "/")
            full = os.path.join(folders[folder, files], base)
            known = files.realpath(full) if files.is_link(full) else full
            found.setdefault(known, []).append(name)
        return found

    def names_of(self, name: str) -> list[str]:
        """Return the target's names for the file `name`; [] if it had not imported that."""
        return self.given.get(current_files().realpath(name), [])

    def noted_of(self, names: list[str]) -> float:
        """Return the time by which a file was loaded in the first process that reported it.

        `names` are the file's `names_of`.  In seconds since 1970; infinity if not known.
        """
        told = [self.first_noted[one] for one in names if one in self.first_noted]
        return min(told, default=float("inf") if self.noted is None else self.noted)

    def of(self, name: str) -> frozenset[ImportedModule]:
        """Return the modules made from a file; a relative `name` starts from our own directory."""
        return frozenset(load for given in self.names_of(name) for load in self.files[given])


def check(header: Any) -> ImportedModules:
    """Return the agent's description of imports, checked; an empty one if there is none.

    Raises NotLoads for anything that an agent would not send.
    """
    if not header:
        return ImportedModules()
    if not isinstance(header, dict) or not isinstance(header.get("modules"), list):
        raise NotLoads("what it says of imports is not understood")
    since, noted = (check_time(header.get(part)) for part in ("since", "noted"))
    python, prefix = header.get("python"), header.get("prefix")
    if not isinstance(python, list) or len(python) != 2 or not all(map(is_small, python)):
        raise NotLoads("it does not say for which Python files were imported")
    if not isinstance(prefix, str) or not is_name(prefix):
        raise NotLoads("it does not say where compiled files are")
    finished = check_texts(header.get("finished"), None)
    names, lines = (check_texts(header.get(part), len(finished)) for part in ("names", "lines"))
    told = [
        (
            name,
            ImportedModule(False, None, False, None, None, bound[:MOST_NAMED], check_lines(firsts)),
        )
        for name, bound, firsts in zip(finished, names, lines, strict=True)
    ]
    optimize = check_optimize(header.get("optimize"))
    files: dict[str, set[ImportedModule]] = {}
    for name, load in [*told, *map(check_module, header["modules"])]:
        load = load._replace(python=(python[0], python[1]), optimize=optimize)
        if is_name(name):  # a program can give a module any
            files.setdefault(name, set()).add(load)
    return ImportedModules(
        since, {name: frozenset(held) for name, held in files.items()}, noted, prefix
    )


def check_time(when: Any) -> float:
    """Return a time in seconds since 1970; raises NotLoads."""
    if type(when) not in (int, float) or not 0 <= when < LATEST:
        raise NotLoads("it does not say since when files were imported")
    return float(when)


def check_optimize(optimize: Any) -> int:
    """Return the number of -O options, checked; raises NotLoads."""
    if not is_small(optimize):
        raise NotLoads("it does not say how files were compiled")
    return int(optimize)


def is_small(number: Any) -> bool:
    """Tell whether `number` can be a part of a version, or a number of options."""
    return type(number) is int and 0 <= number < 1000


def check_texts(texts: Any, count: int | None) -> list[str]:
    """Return the `count` texts in one, which have zeros between them; raises NotLoads.

    With None for `count`, there may be any number.
    """
    if not isinstance(texts, str):
        raise NotLoads("what it says of imports is not understood")
    if texts.count("\0") > MOST_FILES:
        raise NotLoads("it names absurdly many imports")
    found = texts.split("\0") if texts or count else []
    if count is not None and len(found) != count:
        raise NotLoads("what it says of imports is not understood")
    return found


def check_lines(lines: Any) -> str:
    """Return `lines`, line numbers with blanks between them, checked; raises NotLoads."""
    if (
        not isinstance(lines, str)
        or len(lines) > MOST_NAMED
        or not all(line.isdecimal() and len(line) < LONGEST_LINE for line in lines.split())
    ):
        raise NotLoads("a line in its list of imports is none")
    return lines


def check_module(entry: Any) -> tuple[str, ImportedModule]:
    """Return the file's name and the module in one entry of the list; raises NotLoads."""
    if not isinstance(entry, list | tuple) or len(entry) != 6:
        raise NotLoads("an entry in its list of imports is not one")
    name, main, reached, is_running, names, lines = entry
    kinds = [type(part) for part in (name, main, is_running, names)]
    if kinds != [str, bool, bool, str] or "\0" in name:
        raise NotLoads("an entry in its list of imports is not one")
    if type(reached) is not int or not 0 <= reached <= HIGHEST_LINE:
        raise NotLoads("a line in its list of imports is none")
    bound = names[:MOST_NAMED]
    return name, ImportedModule(main, reached, is_running, None, None, bound, check_lines(lines))


def merged(several: Iterable[ImportedModules], names: Iterable[str]) -> ImportedModules:
    """Return the modules of several processes as one, from files with one of these names.

    Only the last part of a name is compared: a link may lead to the same file.
    """
    wanted = {os.path.basename(name) for name in names}
    files: dict[str, set[ImportedModule]] = {}
    first: dict[str, float] = {}
    told = list(several)
    for loads in told:
        for name, held in loads.files.items():
            if os.path.basename(name) in wanted:
                files.setdefault(name, set()).update(held)
                if loads.noted is not None:
                    first[name] = min(loads.noted, first.get(name, loads.noted))
    since = min((one.since for one in told if one.since is not None), default=None)
    noted = max((one.noted for one in told if one.noted is not None), default=None)
    prefix = next((one.prefix for one in told if one.prefix), "")
    return ImportedModules(
        since, {name: frozenset(held) for name, held in files.items()}, noted, prefix, first
    )


def to_note(loads: ImportedModules) -> dict[str, Any]:
    """Return `loads` for the note in a data file (JSON), without names that are not UTF-8."""
    files = {name: sorted(held, key=repr) for name, held in loads.files.items() if is_utf8(name)}
    return {"since": loads.since, "files": files}


def from_note(note: dict[str, Any]) -> ImportedModules:
    """Return the modules that `to_note` noted; none if the note is malformed."""
    try:
        files = {
            str(name): frozenset(
                ImportedModule(main, reached, is_running, (python[0], python[1]), *known)
                for main, reached, is_running, python, *known in entries
            )
            for name, entries in note["files"].items()
        }
        return ImportedModules(note["since"], files)
    except (LookupError, TypeError, ValueError, AttributeError):
        return ImportedModules()


def is_utf8(name: str) -> bool:
    """Tell whether `name` can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
