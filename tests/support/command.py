"""Runs covattach, as a user does.

All output is printed, so that pytest shows it with a failure.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE

TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Done:
    """A finished run of covattach: its exit code, and its output."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """The object that `--json` printed."""
        return json.loads(self.out)

    def line(self, start: str) -> str:
        """Return the one line of standard error that begins with `start`; fail if it is not one."""
        found = [line for line in self.err.splitlines() if line.startswith(start)]
        assert len(found) == 1, f"{len(found)} lines begin with {start!r}"
        return found[0]


class Covattach:
    """Runs the command line in a folder of its own, as a user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program: list[str] = [sys.executable, "-m", "covattach", "-v"]

    def begin(self, *arguments: object, **how: Any) -> subprocess.Popen[str]:
        """Start covattach with `arguments`, and return the process.

        `how` are options of Popen; in its `env` are variables to add, or to remove if None.
        """
        how.setdefault("cwd", self.folder)
        # A machine that others use as well may be slow; tests of deadlines give their own.
        environment = {"COVATTACH_TIMEOUT": "80s", **os.environ}
        for name, value in how.pop("env", {}).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        return subprocess.Popen(
            [*self.program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **how,
        )

    def end(self, popen: subprocess.Popen[str], seconds: float = 200) -> Done:
        """Wait for the command's end, at most `seconds`, then interrupt it; return its output."""
        try:
            out, err = popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            popen.send_signal(signal.SIGINT)
            out, err = popen.communicate(timeout=PATIENCE)
            err += f"\n(interrupted after {seconds} s)"
        words = " ".join(map(str, popen.args[len(self.program) :]))  # type: ignore[arg-type, index]
        print(f"$ covattach {words}\n{err}{out}(exit code {popen.returncode})\n")
        return Done(popen.returncode, out, err)

    def run(self, *arguments: object, **how: Any) -> Done:
        """Run covattach to its end, and return its output and exit code."""
        return self.end(self.begin(*arguments, **how))

    def __call__(self, *arguments: object, **how: Any) -> Done:
        """Run covattach to its end; fail unless its exit code is 0."""
        done = self.run(*arguments, **how)
        assert done.code == 0, done.err
        return done

    def fails(self, code: int, *arguments: object, **how: Any) -> str:
        """Run covattach, which must fail with the exit code `code`; return its error and remedy."""
        done = self.run(*arguments, **how)
        assert done.code == code, done.err
        assert TRACEBACK not in done.err, "a traceback is shown"
        assert not done.out, "an error prints no facts"
        error, remedy = done.line("Error: "), done.line("Remedy: ")
        return f"{error}\n{remedy}"
