"""The source files of a target, as they are on disk: those that never ran, and those to report.

    never_ran(settings, cwd, ran) -> set[str]       for `datafile.write`
    examine(names, texts) -> Examination            before a report
    inside(cwd)                                     work in the target's current directory

`settings` are coverage's, by the names that `Coverage.set_option` takes ("run:source", …).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from covattach.process.source_access import (
    LARGEST,
    LOCAL,
    ONE_AT_A_TIME,
    Files,
    current_files,
    walking,
)
from covattach.reports.loaded_texts import CHANGED, Text, digest_of
from covattach.snapshot.imported_modules import is_utf8

TOO_DEEP = "Not looked into for files that never ran are folders that are too deep, or too many"


@contextlib.contextmanager
def inside(cwd: Path) -> Iterator[None]:
    """Make `cwd` the current directory for a while, one thread at a time.

    coverage resolves relative sources and patterns, and shortens names, by the current directory
    only.  If we cannot enter `cwd`, the directory stays.  It also stays if `current_files` is not
    our own access: such an access has its own directory.
    """
    with ONE_AT_A_TIME, contextlib.ExitStack() as stack:
        if current_files() is LOCAL:
            with contextlib.suppress(OSError):
                stack.enter_context(contextlib.chdir(cwd))
        yield


def never_ran(
    settings: dict[str, Any], cwd: Path, ran: Iterable[str], warnings: list[str] | None = None
) -> set[str]:
    """Return the files in coverage's source settings that have not run, named as coverage does.

    coverage lists them with 0 % when it saves (coverage/inorout.py); here it is done outside of the
    target, so that it costs the target nothing.  `cwd` is the target's current directory, which
    relative sources and patterns start from; `ran` are the files that have run.  Without a source
    setting the result is empty.  Folders that are not looked into, because there are too many or
    they are too deep, add a sentence to `warnings`.
    """
    from coverage.files import GlobMatcher, abs_file, find_python_files, prep_patterns

    with inside(cwd), walking() as walk:
        known = {abs_file(name) for name in ran}
        omit = GlobMatcher(prep_patterns(listed(settings.get("run:omit"))), "omit")
        namespaces = bool(settings.get("report:include_namespace_packages"))
        found = {
            abs_file(name)
            for folder in source_folders(settings, known)
            for name in find_python_files(folder, namespaces)
        }
        missing = {name for name in found - known if is_utf8(name) and not omit.match(name)}
        if settings.get("run:relative_files"):
            here = abs_file(os.curdir).rstrip("/") + "/"
            for name in missing:
                current_files().also(name.removeprefix(here), name)
            missing = {name.removeprefix(here) for name in missing}
    if walk.left_out and warnings is not None:
        warnings.append(f"{TOO_DEEP}: {walk.left_out[0]}, for one.")
    return missing


def source_folders(settings: dict[str, Any], ran: set[str]) -> set[str]:
    """Return the folders of coverage's source settings; relative paths stay relative.

    A source that is no folder is a package.  Importing it here to find it would run code of the
    target's.  So it is found by the files of it that have run, among `ran`.
    """
    folders = set(listed(settings.get("run:source_dirs")))
    packages = set(listed(settings.get("run:source_pkgs")))
    for source in listed(settings.get("run:source")):
        (folders if has_mode(source, stat.S_ISDIR) else packages).add(source)
    for package in packages:
        folders.update(filter(None, {package_folder(package, name) for name in ran}))
    return folders


def package_folder(package: str, name: str) -> str:
    """Return the folder of `package` above the file `name`; "" if it is not in that package."""
    middle = f"/{package.replace('.', '/')}/"
    at = name.find(middle)
    while at >= 0:
        folder = name[: at + len(middle)]
        # Without __init__.py it is some other folder, or a namespace, which coverage leaves out.
        if has_mode(folder + "__init__.py", stat.S_ISREG, current_files().of(name)):
            current_files().also(folder, name)
            return folder
        at = name.find(middle, at + 1)
    return ""


def has_mode(name: str, is_kind: Callable[[int], bool], files: Files | None = None) -> bool:
    """Tell whether `name` exists, and `is_kind` (such as `stat.S_ISDIR`) is true of its mode.

    `files` is the access to look through; None: the current one.
    """
    try:
        return is_kind((files or current_files()).stat(name).st_mode)
    except (OSError, ValueError):
        return False


def listed(value: Any) -> list[str]:
    """Return a setting's value as a list; it may be missing, one name, or several."""
    if not value:
        return []
    return [value] if isinstance(value, str) else [str(one) for one in value]


@dataclass
class Examination:
    """Source files that cannot be read or have changed, by their names in the data file."""

    unreadable: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def examine(names: Iterable[str], texts: dict[str, Text]) -> Examination:
    """Find the source files that must not be opened, and those that have changed.

    `texts` are the states of the loaded ones, by name.  A file that is not there is neither: it may
    be in an archive, where coverage finds it.
    """
    found = Examination()
    for name in sorted(names):
        try:
            facts = current_files().of(name).stat(name)
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            # The target names its sources: reading a pipe or a device might never end.
            found.unreadable.append(name)
            continue
        text = texts.get(name)
        if text is not None and has_changed(name, text):
            found.changed.append(name)
    return found


def has_changed(name: str, text: Text) -> bool:
    """Tell whether the source `name` surely differs from the loaded one; `text` is its state."""
    if text.state == CHANGED or not text.digest:
        return text.state == CHANGED
    try:
        return digest_of(current_files().read(name, LARGEST)) != text.digest
    except OSError:
        return False
