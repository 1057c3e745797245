"""Import coverage without what only its reports need: with half the modules, for half the CPU time.

The reporters, the data file's SQLite, the parser and what inspects source text bring in more than
half of what `import coverage` does, and a session that is dumped from outside uses none of it.
So the modules of coverage are executed with an `__import__` of their own (PEP 302 lets a loader
prepare the module's namespace; `__builtins__` in it is what the import statement looks at), which
puts a `Later` in the place of those names.  Nobody else's imports are touched: `sys.modules` and
the module that the application may import itself are the real ones.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    all_suffixes,
)
from types import ModuleType
from typing import Any

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
# What looks at source text, or at bytecode.
PARSERS = ("coverage.parser", "coverage.phystokens", "coverage.regions", "coverage.bytecode")
STANDARD = (
    "base64",
    "dataclasses",
    "datetime",
    "dis",
    "glob",
    "hashlib",
    "inspect",
    "pathlib",
    "platform",
    "pprint",
    "signal",
    "textwrap",
    "tokenize",
    "tomllib",
    "traceback",
)
# Tracers that are not used: the one in Python never, and before 3.12 there is no sysmon.
TRACERS = ("coverage.pytracer", *(("coverage.sysmon",) if sys.version_info < (3, 12) else ()))


class Later:
    """An object of a module, or a module, that is imported when it is first used.

    It can be called, asked for attributes and given to `isinstance`: all that coverage does with
    the names that it imports from these modules.
    """

    __parameters__ = ()  # so that `type[...]` of it, in 3.9, does not ask what it stands for

    def __init__(self, module: str, name: str | None = None) -> None:
        self.__module, self.__name = module, name
        if name is None:
            self.__dict__.update(KNOWN.get(module, {}))

    def __now(self) -> Any:
        """Return what it stands for."""
        module = importlib.import_module(self.__module)
        return getattr(module, self.__name) if self.__name else module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__now(), name)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call what it stands for."""
        return self.__now()(*arguments, **keywords)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.__now())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.__now(),)


def module_name(path: str) -> str | None:
    """Return the name of the module in a file, as `inspect.getmodulename` does."""
    name = os.path.basename(path)
    for suffix in sorted(all_suffixes(), key=len, reverse=True):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return None


def dataclass(kind: Any = None, **options: Any) -> Any:
    """Give a class an `__init__`, which is all that coverage asks of those that it measures with.

    For anything more the real one is there: importing it takes `inspect` along.
    """
    fields = {**vars(kind)} if kind is not None else {}
    if options or kind is None or any(type(one).__name__ == "Field" for one in fields.values()):
        real = importlib.import_module("dataclasses").dataclass
        return real(**options) if kind is None else real(kind, **options)
    names = tuple(kind.__annotations__)
    usual = {name: fields[name] for name in names if name in fields}

    def fill(self: Any, *values: Any, **named: Any) -> None:
        vars(self).update(usual, **dict(zip(names, values)), **named)

    kind.__init__ = fill
    return kind


LIBRARY = os.path.dirname(os.__file__)
# What is asked of a module at once, or in the application's threads, and needs no import.
KNOWN: dict[str, dict[str, Any]] = {
    "dataclasses": {"dataclass": dataclass},
    "inspect": {
        "__file__": LIBRARY + "/inspect.py",  # from these coverage learns where the library is
        "CO_OPTIMIZED": 1,  # Include/cpython/code.h
        "currentframe": lambda: sys._getframe(1),
        "getmodulename": module_name,
    },
    # Of its `Path` it is only asked whether something is one.
    "pathlib": {"Path": Later("pathlib", "Path")},
    "platform": {
        "__file__": LIBRARY + "/platform.py",
        "python_implementation": lambda: "CPython",
        "python_version": lambda: sys.version.split()[0],
    },
    # It is one, and stands in `except`, where nothing but a class can.
    "tomllib": {"TOMLDecodeError": ValueError},
    "traceback": {"__file__": LIBRARY + "/traceback.py"},
}


class Names:
    """What `from module import name` takes its names from."""

    def __init__(self, module: str) -> None:
        self.__module = module

    def __getattr__(self, name: str) -> Any:
        return KNOWN.get(self.__module, {}).get(name) or Later(self.__module, name)


def importer(left_out: frozenset[str]) -> Any:
    """Return an `__import__` that imports what is in `left_out` only when it is used."""
    usual = builtins.__import__

    def import_or_wait(
        name: str, space: Any = None, local: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if level == 0 and name in left_out and name not in sys.modules:
            return Names(name) if fromlist else Later(name)
        return usual(name, space, local, fromlist, level)

    return import_or_wait


def loader(left_out: frozenset[str]) -> type[SourceFileLoader]:
    """Return a loader of modules that wait with what is in `left_out`."""
    own = {**vars(builtins), "__import__": importer(left_out)}

    class Loader(SourceFileLoader):
        def exec_module(self, module: ModuleType) -> None:
            """Execute the module, with an import statement of its own."""
            module.__dict__["__builtins__"] = own
            super().exec_module(module)

    return Loader


class ExtensionLoader(ExtensionFileLoader):
    """Loads the C tracer, also from a file system that nothing may be executed from.

    Docker's /dev/shm is one, and with `--read-only` the only place that can be written to.
    """

    def create_module(self, spec: Any) -> Any:
        """Return the module; from a copy in memory if need be, which has no file system."""
        try:
            return super().create_module(spec)
        except ImportError:
            if not os.statvfs(self.path).f_flag & os.ST_NOEXEC:
                raise
        with open(self.path, "rb") as file:
            content = file.read()
        descriptor = os.memfd_create("coverage")  # type: ignore[attr-defined,unused-ignore]
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            spec.origin = f"/proc/self/fd/{descriptor}"
            return super().create_module(spec)
        finally:
            spec.origin = self.path
            os.close(descriptor)


def import_package(folder: str) -> ModuleType:
    """Import the coverage package that lies in `folder`, whatever `sys.path` says."""
    chosen = loader(frozenset(REPORTERS + PARSERS + TRACERS + STANDARD))
    spec = importlib.util.spec_from_file_location(
        "coverage",
        folder + "/__init__.py",
        loader=chosen("coverage", folder + "/__init__.py"),
        submodule_search_locations=[folder],
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # The import system asks here for whatever is in that folder, and nobody else does.
    sys.path_importer_cache[folder] = FileFinder(
        folder, (ExtensionLoader, EXTENSION_SUFFIXES), (chosen, SOURCE_SUFFIXES)
    )
    sys.modules["coverage"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path_importer_cache.pop(folder, None)
    return module


def import_parsers() -> None:
    """Import what looks at sources now, and not when the application runs into it.

    Measuring branches by sysmon uses it in the application's threads.
    """
    for name in PARSERS:
        importlib.import_module(name)


class DataLater:
    """Stands for the CoverageData of a live Coverage object until somebody asks for it.

    `cov` is the object, whose `_data` this is to be.
    """

    def __init__(self, cov: Any) -> None:
        self.__cov = cov

    def set_context(self, context: str | None) -> None:
        """Do nothing: `replace` has the collector say it again."""

    def replace(self) -> Any:
        """Put the real one, in memory, in its place and return it."""
        cov = self.__cov
        if cov._data is self:
            cov._data = None
            cov._init_data(None)
            cov._collector.use_data(cov._data, cov.config.context)
        return cov._data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.replace(), name)
