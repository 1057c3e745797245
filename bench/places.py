"""Things that a bench needs and the project does not ship: interpreters, and packages for them."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PANDAS = "pandas>=2"
INSTALL = 600.0  # seconds for a package to be fetched and installed


@dataclass(frozen=True)
class Interpreter:
    """One CPython that targets run on; `site` is the folder for its PYTHONPATH."""

    minor: str
    version: str
    python: str
    site: str


@functools.cache
def interpreter(minor: str) -> Interpreter:
    """Return the first interpreter of a minor version, one with symbols if there is one.

    Other tools find functions by their symbols, and do nothing at all on a stripped interpreter.
    """
    tool = ROOT / "tools" / "interpreters.py"
    listed = subprocess.run(
        [sys.executable, tool, "list", "--json"], capture_output=True, text=True, check=True
    )
    found = [one for one in json.loads(listed.stdout) if one["version"].startswith(f"{minor}.")]
    if not found:
        raise SystemExit(f"There is no CPython {minor}: run `make interpreters`.")
    first = min(found, key=lambda one: bool(one["stripped"]))
    return Interpreter(minor, first["version"], first["python"], first["site"])


def piped(on: Interpreter, words: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    """Start a program in `folder`, with pipes to give it orders and get its answers."""
    return subprocess.Popen(
        [on.python, *map(str, words)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": on.site},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def pandas_site(of: Interpreter) -> str:
    """Return a folder with pandas for an interpreter, to put on its PYTHONPATH."""
    return extra_site(of, PANDAS)


def extra_site(of: Interpreter, requirement: str) -> str:
    """Return a folder with a package for an interpreter; the first time, install it there.

    Raises subprocess.SubprocessError if it cannot be installed.
    """
    name = re.split(r"\W", requirement)[0]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "covattach-tests" / "bench" / f"{name}-{of.minor}"
    if not (folder / ".complete").exists():
        print(f"installing {name} for {of.minor}", file=sys.stderr)
        wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={of.minor}"]
        quiet = ["--quiet", "--disable-pip-version-check", "--upgrade"]
        words = ["install", *quiet, *wheels, "--target", str(folder), requirement]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=INSTALL)
        (folder / ".complete").touch()
    return str(folder)
