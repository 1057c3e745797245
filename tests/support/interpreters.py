"""The interpreters that `make interpreters` has provided."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Interpreter:
    """A CPython that targets run on.

    `id` is such as "3.13-pyenv".  `site` is the folder for its PYTHONPATH, with coverage.  `root`
    is the folder with the foreign root that it belongs to, or None.
    """

    id: str
    version: str
    python: str
    site: str
    root: str | None = None

    @property
    def minor(self) -> tuple[int, int]:
        """The major and the minor version, as numbers."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


@functools.cache
def interpreters() -> list[Interpreter]:
    """Return all interpreters that `make interpreters` has provided."""
    tool = ROOT / "tools" / "interpreters.py"
    listed = subprocess.run(
        [sys.executable, tool, "list", "--json"], capture_output=True, text=True, check=True
    )
    found = json.loads(listed.stdout)
    names = ("id", "version", "python", "site", "root")
    return [Interpreter(*(one[name] for name in names)) for one in found]


def newest(minor: str) -> Interpreter:
    """Return the last interpreter of a minor version: Debian's own, where there is one."""
    wanted = tuple(int(part) for part in minor.split("."))
    return [one for one in interpreters() if one.minor == wanted][-1]
