"""coverage's setting "paths": data of the same sources under different roots gets one name.

The setting has lists of folders or patterns, which all stand for the first folder of their list.
The sources are to be found there on this machine (coverage/control.py, _make_aliases).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from covattach.errors import BadUsage
from covattach.process.source_access import current_files
from covattach.reports.source_files import has_mode, inside
from covattach.snapshot.imported_modules import ImportedModules
from covattach.snapshot.snapshot import Snapshot

Names = Callable[[str], str]


def naming(settings: dict[str, Any], cwd: Path) -> tuple[Names, dict[str, Any]]:
    """Return a function from a file's name to its name in reports, and the settings but "paths".

    Relative folders are looked for in `cwd`, the target's working directory, and then in our own.
    Raises BadUsage, with coverage's own words, for malformed patterns.
    """
    from coverage.exceptions import CoverageException

    left = {name: value for name, value in settings.items() if name != "paths"}
    paths = settings.get("paths")
    if not isinstance(paths, dict) or not paths:
        return str, left
    roots = (cwd, Path.cwd())
    try:
        with inside(cwd):
            return aliases(paths, roots, bool(settings.get("run:relative_files"))), left
    except CoverageException as error:
        raise BadUsage(
            f"The setting [paths] makes no sense: {error}.", "Correct it, and start again."
        ) from None


def aliases(paths: dict[str, list[str]], roots: Sequence[Path], relative: bool) -> Names:
    """Return a function from a file's name to its name in reports, by the setting `paths`.

    Relative folders are looked for below `roots`.  `relative` is the setting "run:relative_files".
    """
    from coverage.files import PathAliases

    found = PathAliases(relative=relative)
    for folders in paths.values():
        for pattern in folders[1:]:
            found.add(pattern, folders[0] if relative else here(folders[0], roots))
    return functools.cache(found.map)


def here(folder: str, roots: Sequence[Path]) -> str:
    """Return `folder` as an absolute path, below the first root that has it, or the last one."""
    found = [root / folder for root in roots if has_mode(os.fspath(root / folder), any_kind)]
    return os.fspath(found[0] if found else roots[-1] / folder)


def any_kind(mode: int) -> bool:
    """Return True, for files of every kind."""
    return True


def with_names(snapshot: Snapshot, names: Names) -> Snapshot:
    """Return a copy of `snapshot` with files renamed by `names`; files of one name are merged."""
    for name in {*snapshot.files, *snapshot.loads.files}:
        current_files().also(names(name), name)
    return replace(
        snapshot,
        files=united(snapshot.files, names),
        windows={window: united(files, names) for window, files in snapshot.windows.items()},
        file_tracers={names(name): tracer for name, tracer in snapshot.file_tracers.items()},
        loads=loads_with_names(snapshot.loads, names),
    )


def renamed(found: Collection[str], names: Names) -> set[str]:
    """Return the files `found` renamed by `names`; each keeps the access to its old name's file."""
    for name in found:
        current_files().also(names(name), name)
    return {names(name) for name in found}


def united(files: Any, names: Names) -> Any:
    """Return `files` (name to lines or arcs) renamed by `names`; files of one name are merged."""
    found: dict[str, set[Any]] = {}
    for name, held in files.items():
        found.setdefault(names(name), set()).update(held)
    return found


def loads_with_names(loads: ImportedModules, names: Names) -> ImportedModules:
    """Return `loads` with files renamed by `names`; the modules of files of one name are merged."""
    found: dict[str, frozenset[Any]] = {}
    for name, held in loads.files.items():
        new = names(name)
        found[new] = found.get(new, frozenset()) | held
    return replace(loads, files=found)
