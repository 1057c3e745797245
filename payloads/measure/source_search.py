"""A replacement of coverage's search for the modules of `--source`, which imports nothing.

coverage imports the packages above a module, and then removes all new modules from `sys.modules`
(coverage/misc.py, SysModuleSaver): also those that other threads have imported meanwhile.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any


class Sys:
    """A stand-in for `sys` in coverage.inorout, whose `path` has only the strings of `sys.path`.

    The import system ignores other objects on `sys.path`, but coverage fails on them.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    @property
    def path(self) -> list[str]:
        """The strings on `sys.path`."""
        return [one for one in list(sys.path or ()) if isinstance(one, str)]


def file_and_path(modulename: str) -> tuple[str | None, list[str]]:
    """Return the file of a module and the folders of its submodules; None, [] if it is not found.

    In place of coverage's file_and_path_for_module.
    """
    path: Any = None
    file = None
    name = ""
    for part in modulename.split("."):
        name = f"{name}.{part}" if name else part
        spec = spec_of(name, path)
        if spec is None:
            return None, []
        file, path = spec.origin, list(spec.submodule_search_locations or ())
    return file, path or []


def spec_of(name: str, path: Any) -> Any:
    """Return the import spec of the module `name`, or None if it is not found.

    `path` holds the folders to search (None for `sys.path`), unless the module is imported already.
    """
    spec = getattr(sys.modules.get(name), "__spec__", None)
    for finder in () if spec is not None else list(sys.meta_path):
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: S112  # the application's finder; others may know it
            continue
        if spec is not None:
            break
    return spec


class SourceSearch:
    """Puts `file_and_path` in the place of coverage's own search, until `uninstall`."""

    def __init__(self) -> None:
        self.module: Any = sys.modules["coverage.inorout"]
        own = {"sys": Sys(), "file_and_path_for_module": file_and_path}
        self.own = {**own, "sys_modules_saved": nullcontext}
        self.usual = {name: getattr(self.module, name) for name in self.own}
        vars(self.module).update(self.own)

    def uninstall(self) -> None:
        """Put coverage's own functions back, unless others have replaced ours."""
        for name, usual in self.usual.items():
            if getattr(self.module, name) is self.own[name]:
                setattr(self.module, name, usual)
