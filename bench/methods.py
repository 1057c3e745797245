"""The methods of attaching that are compared, each as a command that is run on a PID."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from covattach.injector.gdb_settings import OPTIONS, OWN_PROGRAM
from covattach.injector.x86_64.support import REGISTERS

Command = Callable[[int, Path], list[str]]  # of a PID and the file to execute
Environment = Callable[[Path], dict[str, str]]  # of a folder for files of its own


@dataclass(frozen=True)
class Method:
    """A method of attaching, one row of the table.

    `injects` is whether it executes code in the target at all.  If it `starts` a session, the end
    of the command counts as the time of execution.  `needs` is a program or package.
    """

    name: str
    command: Command
    environment: Environment = field(default=lambda folder: {})
    needs: str = ""
    injects: bool = True
    starts: bool = False

    @property
    def missing(self) -> bool:
        """Whether a program or package that it needs is not there."""
        if not self.needs:
            return False
        return shutil.which(self.needs) is None and importlib.util.find_spec(self.needs) is None


def driven(tool: str) -> Command:
    """Return a function that makes the command to inject a file by a tool's own function."""
    return lambda pid, file: [sys.executable, "-m", "bench.drive", tool, str(pid), str(file)]


def start(pid: int, file: Path) -> list[str]:
    """Return the command that starts a whole session."""
    return [sys.executable, "-m", "covattach", "start", "--timeout", "8", str(pid)]


def pyrasite(pid: int, file: Path) -> list[str]:
    """Return the command of pyrasite that injects a file."""
    beside = Path(sys.executable).with_name("pyrasite")
    return [str(beside) if beside.exists() else "pyrasite", str(pid), str(file)]


def quick_gdb(pid: int, file: Path) -> list[str]:
    """Return the command of a gdb that attaches and detaches, without loading symbols."""
    options = [part for option in OPTIONS for part in ("-iex", option)]
    words = (OWN_PROGRAM, f"attach {pid}", "detach")
    commands = [part for word in words for part in ("-ex", word)]
    return ["gdb", "-nx", "-nh", "-q", "-batch", *options, *commands]


def plain_gdb(pid: int, file: Path) -> list[str]:
    """Return the command of a gdb that attaches and detaches, with its default settings."""
    return ["gdb", "-nx", "-q", "-batch", "-p", str(pid), "-ex", "detach"]


def nothing(pid: int, file: Path) -> list[str]:
    """Return a command that takes as long as an attach, and does nothing with the target."""
    return ["sleep", "1"]


def reduced(folder: Path) -> dict[str, str]:
    """Return environment variables for a gdb that leaves the registers above SSE alone.

    gdb 13 cannot write any register where the CPU has AMX, so that tools that call functions by it
    fail there.  A script named gdb in `folder`, found on PATH, gives it the option. pyrasite's gdb
    reads a gdbinit instead; see below.
    """
    description = f"set tdesc filename {REGISTERS}"
    (folder / "gdb").mkdir(exist_ok=True)
    (folder / "gdb" / "gdbinit").write_text(description + "\n")
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "gdb"
    real = shutil.which("gdb") or "gdb"
    program.write_text(f'#!/bin/sh\nexec {real} -iex {shlex.quote(description)} "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}/bin:{os.environ['PATH']}"}


def gdbinit(folder: Path) -> dict[str, str]:
    """Return environment variables for the same, but for a gdb that reads its gdbinit."""
    reduced(folder)
    return {"XDG_CONFIG_HOME": str(folder)}


CONTROL = Method("no attach (control)", nothing, injects=False)
COVATTACH = Method("covattach, the same file", driven("covattach"))
START = Method("covattach start", start, starts=True)
PYRASITE = Method("pyrasite", pyrasite, needs="pyrasite")
PYRASITE_SSE = Method("pyrasite *", pyrasite, gdbinit, needs="pyrasite")
METHODS = (
    CONTROL,
    COVATTACH,
    START,
    PYRASITE,
    PYRASITE_SSE,
    Method("hypno", driven("hypno"), needs="hypno"),
    Method("debugpy", driven("debugpy"), needs="debugpy"),
    Method("debugpy *", driven("debugpy"), reduced, needs="debugpy"),
    Method("memray", driven("memray"), needs="memray"),
    Method("memray *", driven("memray"), reduced, needs="memray"),
    Method("gdb without symbols, no call", quick_gdb, needs="gdb", injects=False),
    Method("gdb with its defaults, no call", plain_gdb, needs="gdb", injects=False),
)
