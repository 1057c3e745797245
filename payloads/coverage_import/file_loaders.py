"""Loaders of the coverage package's modules, which make as few system calls as possible.

Each system call releases the GIL. Beside a busy application, getting it back takes longer than the
call, and the import system makes ten for a module.
"""

from __future__ import annotations

import _imp
import importlib.util
import marshal
import os
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from types import CodeType, ModuleType
from typing import Any

from ..interpreter import descriptors

LARGEST = 1 << 18  # bytes of a compiled file; a larger one is left to importlib
HEADER = 16  # bytes: magic number, flags, time and size of the source (importlib's _pyc_header)


class Loader(SourceFileLoader):
    """Loads a module from its compiled file if that is up to date, as it most probably is.

    Subclasses set `own`, the builtins of the module's code, and `executed`, which is called with
    the module after that was executed.
    """

    own: Any
    executed: Any

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with the builtins `own`, whose `__import__` is not the usual one."""
        module.__dict__["__builtins__"] = self.own
        super().exec_module(module)
        self.executed(module)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code from its compiled file; else as importlib does."""
        try:
            content = descriptors.read(importlib.util.cache_from_source(self.path), LARGEST)
            facts = os.stat(self.path)
        except (OSError, NotImplementedError):
            return super().get_code(fullname)
        made_of = (0, int(facts.st_mtime), facts.st_size)
        header = importlib.util.MAGIC_NUMBER
        header += b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in made_of)
        if len(content) == LARGEST or content[:HEADER] != header:
            return super().get_code(fullname)
        code: CodeType = marshal.loads(memoryview(content)[HEADER:])  # noqa: S302  it is of Python's
        named: Any = _imp
        named._fix_co_filename(code, self.path)  # pip compiles in another folder
        return code


class ExtensionLoader(ExtensionFileLoader):
    """Loads the C tracer, also from a file system that is mounted with noexec.

    Docker's /dev/shm is one, and with `--read-only` the only place that can be written to.
    """

    def create_module(self, spec: Any) -> Any:
        """Return the module; with noexec, from a copy in memory (memfd_create(2))."""
        try:
            return super().create_module(spec)
        except ImportError:
            if not os.statvfs(self.path).f_flag & os.ST_NOEXEC:
                raise
        content = descriptors.read(self.path)
        in_memory: Any = os.memfd_create  # type: ignore[attr-defined,unused-ignore]
        file = descriptors.Descriptor(in_memory("coverage"))
        try:
            descriptors.write_to(file, [content])
            spec.origin = f"/proc/self/fd/{file.checked()}"
            return super().create_module(spec)
        finally:
            spec.origin = self.path
            file.close()


class Finder(FileFinder):
    """Finds the modules in `folder`, which is listed only once; `loader` is for plain sources."""

    def __init__(self, folder: str, loader: type[Loader]) -> None:
        super().__init__(folder, (ExtensionLoader, EXTENSION_SUFFIXES), (loader, SOURCE_SUFFIXES))
        self.loader = loader
        self.names = frozenset(os.listdir(folder))

    def find_spec(self, fullname: str, target: Any = None) -> Any:
        """Return the import spec of a module; anything but a plain source is searched as usual."""
        name = fullname.rpartition(".")[2]
        built = any(name + suffix in self.names for suffix in EXTENSION_SUFFIXES)
        if name in self.names or built or name + ".py" not in self.names:
            return super().find_spec(fullname, target)
        path = f"{self.path}/{name}.py"
        return importlib.util.spec_from_file_location(
            fullname, path, loader=self.loader(fullname, path)
        )
