"""coverage's search for the names in `--source`: without an import, on a path of strings only.

coverage imports the packages above a module, and then takes all new modules out of `sys.modules`
(coverage/misc.py, SysModuleSaver): also those that other threads have imported meanwhile.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any


class Sys:
    """Takes the place of `sys` in coverage.inorout; its `path` leaves out all but strings.

    The import system takes no notice of other objects on `sys.path`, and coverage fails on them.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    @property
    def path(self) -> list[str]:
        """The strings on `sys.path`."""
        return [one for one in list(sys.path or ()) if isinstance(one, str)]


def file_and_path(modulename: str) -> tuple[str | None, list[str]]:
    """Return the file of a module, and where its submodules are, as coverage's function does."""
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
    """Return the spec of a module on `path` (None for `sys.path`), or None."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    for finder in () if spec is not None else list(sys.meta_path):
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: S112  # somebody's finder, and others may know it
            continue
        if spec is not None:
            break
    return spec


class SourceSearch:
    """Has coverage look in this way, until `end`."""

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
