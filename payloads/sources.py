"""How coverage looks for what `--source` names: without an import, in a `sys.path` of folders only.

coverage imports the packages above a module, and then takes out of `sys.modules` whatever is new
there (coverage/misc.py, SysModuleSaver): also what other threads have imported meanwhile.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any


class Sys:
    """Takes the place of `sys` in coverage.inorout; what an application has put on the path stays.

    The import system takes no notice of anything there but strings, and coverage fails on it.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    @property
    def path(self) -> list[str]:
        """The strings on `sys.path`."""
        return [one for one in list(sys.path or ()) if isinstance(one, str)]


def file_and_path(modulename: str) -> tuple[str | None, list[str]]:
    """Return the file of a module, and where its submodules are: what coverage's function does."""
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
    """Return where a module is, which is on `path` (None for `sys.path`); or None."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    for finder in () if spec is not None else list(sys.meta_path):
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: S112  # somebody's finder, and others may know it
            continue
        if spec is not None:
            break
    return spec


class Looking:
    """Has coverage look in this way, until `end`."""

    def __init__(self) -> None:
        self.module: Any = sys.modules["coverage.inorout"]
        own = {"sys": Sys(), "file_and_path_for_module": file_and_path}
        self.own = {**own, "sys_modules_saved": nullcontext}
        self.usual = {name: getattr(self.module, name) for name in self.own}
        vars(self.module).update(self.own)

    def end(self) -> None:
        """Put back what was there."""
        for name, usual in self.usual.items():
            if getattr(self.module, name) is self.own[name]:
                setattr(self.module, name, usual)
