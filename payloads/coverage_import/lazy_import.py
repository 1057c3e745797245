"""Import coverage without the modules that only reports need, in half the CPU time.

The reporters, the data file's SQLite, the parser and the inspection of source text bring in more
than half of the modules of `import coverage`.  A session that is dumped from outside uses none of
them.  So coverage's modules are executed with an `__import__` of their own, which puts a
`LazyObject` of lazy_objects.py in the place of those names.  PEP 302 lets a loader prepare the
module's namespace; `__builtins__` in it is where the import statement looks.  Nobody else's imports
are touched: `sys.modules` and the module that the application may import itself are the real ones.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from . import file_loaders, lazy_objects

REPORTERS = (
    "coverage.annotate",
    "coverage.html",
    "coverage.jsonreport",
    "coverage.lcovreport",
    "coverage.multiproc",
    "coverage.report",
    "coverage.report_core",
    "coverage.results",
    "coverage.sqldata",
    "coverage.xmlreport",
)
# The modules that look at source text, or at bytecode.
PARSERS = ("coverage.parser", "coverage.phystokens", "coverage.regions", "coverage.bytecode")
STANDARD = (
    "base64",
    "configparser",
    "dataclasses",
    "datetime",
    "dis",
    "glob",
    "hashlib",
    "inspect",
    "ntpath",
    "pathlib",
    "platform",
    "pprint",
    "signal",
    "textwrap",
    "tokenize",
    "tomllib",
    "traceback",
)
# Modules that may be imported already, but of which coverage calls slow functions.
WRAPPED = ("re", "sysconfig")
# Tracers that are not used: the one in Python never, and before 3.12 there is no sysmon.
TRACERS = ("coverage.pytracer", *(("coverage.sysmon",) if sys.version_info < (3, 12) else ()))


class Names:
    """A stand-in for a module in `from module import name`: its attributes are lazy objects."""

    def __init__(self, module: str) -> None:
        self.__module = module

    def __getattr__(self, name: str) -> Any:
        return lazy_objects.member(self.__module, name)


def importer(left_out: frozenset[str]) -> Any:
    """Return an `__import__` that gives lazy objects for modules in `left_out`, and for WRAPPED."""
    usual = __import__

    def import_or_wait(
        name: str, space: Any = None, local: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if level == 0 and name in left_out and name not in sys.modules:
            return Names(name) if fromlist else lazy_objects.module(name)
        if name in WRAPPED and not fromlist:
            return lazy_objects.module(name)
        return usual(name, space, local, fromlist, level)

    return import_or_wait


def own_builtins(left_out: frozenset[str]) -> dict[str, Any]:
    """Return builtins with an `__import__` that gives lazy objects for modules in `left_out`."""
    usual = globals()["__builtins__"]  # ours, whose functions nobody has replaced
    own = {**(usual if isinstance(usual, dict) else vars(usual)), "__import__": importer(left_out)}
    own["__build_class__"] = lazy_objects.make_class
    own["__lazy_import__"] = own["__import__"]  # from 3.15 on, under `-X lazy_imports`
    return own


def executed(module: ModuleType) -> None:
    """Give a module, once executed, the real `re`: a faulty pattern raises where it is compiled."""
    if "re" in vars(module):
        vars(module)["re"] = importlib.import_module("re")


def give_when_asked(package: ModuleType) -> None:
    """Have attributes of the package itself be the real objects, found when asked for (PEP 562).

    Applications import from the package.  No code of it looks at its own names.
    """
    space = vars(package)
    waiting = {name: one for name, one in space.items() if isinstance(one, lazy_objects.LazyObject)}

    def find(name: str) -> Any:
        if name not in waiting:
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        return space.setdefault(name, lazy_objects.real_object(waiting[name]))

    for name in waiting:
        del space[name]
    space["__getattr__"] = find


def import_package(folder: str) -> ModuleType:
    """Import the coverage package that lies in `folder`, regardless of `sys.path`."""
    left_out = frozenset(REPORTERS + PARSERS + TRACERS + STANDARD)
    own = {"own": own_builtins(left_out), "executed": staticmethod(executed)}
    chosen = type("Loader", (file_loaders.Loader,), own)
    spec = importlib.util.spec_from_file_location(
        "coverage",
        folder + "/__init__.py",
        loader=chosen("coverage", folder + "/__init__.py"),
        submodule_search_locations=[folder],
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Only the import system asks here, for the modules in that folder.
    sys.path_importer_cache[folder] = file_loaders.Finder(folder, chosen)
    sys.modules["coverage"] = module
    try:
        spec.loader.exec_module(module)
        give_when_asked(module)
        empty_copy_of_sys()
    finally:
        sys.path_importer_cache.pop(folder, None)
    return module


def empty_copy_of_sys() -> None:
    """Empty the copy of `sys` that coverage makes by the way, and does not use.

    coverage copies `os` with all modules in that (coverage/misc.py, isolate_module).  In the copy,
    objects that an application has put into `sys` would outlive the real `sys`, and be finalized
    too late or never.
    """
    copies = vars(sys.modules["coverage.misc"]).get("ISOLATED_MODULES", {})
    if sys in copies:
        vars(copies[sys]).clear()


def import_parsers() -> None:
    """Import coverage's parsers of sources now, so that no thread of the application has to.

    Measuring branches by sysmon uses them in the application's threads.
    """
    for name in PARSERS:
        importlib.import_module(name)


class LazyCoverageData:
    """A stand-in for the CoverageData of a live Coverage object, until that is used.

    `cov` is the Coverage object, whose `_data` this is to be.
    """

    def __init__(self, cov: Any) -> None:
        self.__cov = cov

    def set_context(self, context: str | None) -> None:
        """Do nothing: in `replace` the collector sets the context again."""

    def replace(self) -> Any:
        """Replace this by a real CoverageData, in memory, and return that."""
        cov = self.__cov
        if cov._data is self:
            cov._data = None
            cov._init_data(None)
            cov._collector.use_data(cov._data, cov.config.context)
        return cov._data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.replace(), name)
