"""Import coverage into the target, and stash it for the next session.

The target's own coverage is taken where it is recent enough; otherwise the one that covattach
brought, by its path and without touching `sys.path`.  After a session coverage's modules leave
`sys.modules`, but they are kept: the C tracer cannot be imported twice (it is a single-phase
extension module), and each new copy of the package would cost megabytes.  They are kept in the
codec error-handler registry, the one place in an interpreter that is neither a name anybody
sees nor a module, and where the next session finds them again.
"""

from __future__ import annotations

import codecs
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from ..errors import NoCoverage
from ..interpreter import descriptors
from . import lazy_import

KEEP = "covattach.kept"  # the name of the error handler that holds the modules
under_way: list[str] = []  # the folder that coverage is being imported from, if any
NEEDED = ("coverage.control", "coverage.collector", "coverage.core", "coverage.inorout")
FROM_3_12 = ("coverage.sysmon",) if sys.version_info >= (3, 12) else ()
OLDEST = (7, 10)  # the oldest coverage whose collectors the payloads have been tested with


def is_of_coverage(name: str) -> bool:
    """Tell whether `name` is the name of a module of the coverage package."""
    # coverage/debug.py keeps an object as the module "$coverage.debug.DebugOutputFile.the_one".
    return name == "coverage" or name.startswith(("coverage.", "$coverage."))


def unstash() -> dict[str, ModuleType]:
    """Return coverage's modules, by name, from the stash of an earlier session; {} without one.

    They are moved, not copied.
    """
    try:
        keeper: Any = codecs.lookup_error(KEEP)
    except LookupError:
        return {}
    modules: dict[str, ModuleType] = dict(keeper.modules)
    keeper.modules.clear()
    return modules


def stash() -> None:
    """Take coverage's modules out of `sys.modules` and keep them for the next session."""

    def keeper(error: UnicodeError) -> tuple[str, int]:
        raise error

    taken = {name: module for name, module in list(sys.modules.items()) if is_of_coverage(name)}
    keeper.modules = taken  # type: ignore[attr-defined]
    codecs.register_error(KEEP, keeper)
    for name, module in taken.items():
        sys.modules.pop(name, None)
        for folder in getattr(module, "__path__", ()):
            sys.path_importer_cache.pop(folder, None)


def version_of(folder: str) -> tuple[int, ...]:
    """Return the version of the coverage package in `folder`, read as text; (0,) if unknown."""
    import re

    try:
        text = descriptors.text(folder + "/version.py")
    except OSError:
        return (0,)  # it is in a zip file, or has been compiled and has no sources
    found = re.search(r"^version_info\b.*?=\s*\((\d+), (\d+), (\d+)", text, re.M)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def of_the_target() -> str | None:
    """Return the folder of the target's own coverage; None if there is none, or it is too old."""
    spec = importlib.util.find_spec("coverage")
    if spec is None or not spec.submodule_search_locations or not spec.origin:
        return None  # without an origin it is just a folder of that name
    folder = str(spec.submodule_search_locations[0])
    return folder if version_of(folder) >= OLDEST else None


def import_from(folder: str) -> ModuleType:
    """Import the coverage package that lies in `folder`; a fault leaves none of it behind."""
    under_way.append(folder)
    try:
        return lazy_import.import_package(folder)
    except BaseException:
        discard()
        raise
    finally:
        under_way.clear()


def discard() -> None:
    """Remove coverage's modules from `sys.modules`, without stashing them."""
    for name in [name for name in sys.modules if is_of_coverage(name)]:
        del sys.modules[name]


def discard_half_import() -> None:
    """Remove half-imported modules of coverage, in a child that was forked during the import.

    No thread of the child goes on with that import.
    """
    if under_way:
        discard()
        under_way.clear()


def import_coverage(brought: dict[str, str] | str | None) -> tuple[ModuleType, bool]:
    """Return the coverage package, imported if need be, and whether to stash it at the end.

    `brought` is the folder of a coverage package that covattach has brought for this interpreter,
    or None.  Or it is a dictionary of such folders by Python version, as "3.11".  Raises NoCoverage
    where there is no package, or where the application has imported one that is too old.
    """
    present = sys.modules.get("coverage")
    if present is not None:
        if getattr(present, "version_info", (0,)) < OLDEST:
            version = getattr(present, "__version__", "?")
            raise NoCoverage("the application has imported coverage " + version)
        for name in NEEDED + FROM_3_12:
            importlib.import_module(name)  # it may be half-imported, or import lazily
        return present, False
    again = unstash()
    if again:
        sys.modules.update(again)
        return again["coverage"], True
    version = ".".join(map(str, sys.version_info[:2]))
    fitting = brought.get(version) if isinstance(brought, dict) else brought
    folder = of_the_target() or fitting
    if folder is None:
        raise NoCoverage("there is no coverage for Python " + version)
    return import_from(folder), True
