"""The process that is attached to, as seen from outside: whether it moves, and how it ended."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.places import Interpreter, pandas_site
from bench.subjects.metered import HARM, LONGEST, MOVED

PROGRAM = Path(__file__).parent / "subjects" / "metered.py"
START_UP = 60.0  # seconds for a target to move: pandas takes its time
SIGN_OF_LIFE = 2.0  # seconds in which a target that is well has moved
AFTERWARDS = 0.2  # seconds that are watched after an attach, too


class Target:
    """A metered target; `folder` is for its files."""

    def __init__(self, interpreter: Interpreter, state: str, folder: Path) -> None:
        """Start it, and return when it moves."""
        self.folder = folder
        times = folder / "times"
        times.write_bytes(bytes(16))
        sites = [interpreter.site, *([pandas_site(interpreter)] if state == "pandas" else [])]
        self.popen = subprocess.Popen(
            [interpreter.python, PROGRAM, state, times],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sites)},
            stdin=subprocess.DEVNULL,
        )
        with times.open("r+b") as file:
            self.times = memoryview(mmap.mmap(file.fileno(), 16)).cast("d")
        if not self.moves(START_UP):
            raise RuntimeError(f"the target {state} does not run on {interpreter.python}")
        time.sleep(0.1)  # past the work of its beginning

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def forget(self) -> None:
        """Begin to look for its longest pause."""
        self.times[LONGEST] = 0.0

    @property
    def longest(self) -> float:
        """For how many seconds nothing moved in it at the most; also if that is still so."""
        return max(self.times[LONGEST], time.monotonic() - self.times[MOVED])

    def moves(self, within: float = SIGN_OF_LIFE) -> bool:
        """Whether it moves."""
        last, deadline = self.times[MOVED], time.monotonic() + within
        while self.times[MOVED] == last:
            if time.monotonic() > deadline or self.popen.poll() is not None:
                return False
            time.sleep(0.001)
        return True

    def harm(self) -> str | None:
        """Return its state after an attach: "corrupted", "died", "hung", or None if it is well."""
        time.sleep(AFTERWARDS)
        moves = self.moves()
        if self.popen.poll() is not None:
            return "corrupted" if self.popen.returncode == HARM else "died"
        return None if moves else "hung"

    def end(self) -> None:
        """Kill it, and whoever traces it still: its end would be told to the tracer first."""
        self.popen.kill()
        while not self.ended_within(SIGN_OF_LIFE):
            status = Path(f"/proc/{self.pid}/status").read_text()
            tracer = int(status.partition("TracerPid:")[2].split()[0])
            if tracer:
                os.kill(tracer, signal.SIGKILL)

    def ended_within(self, seconds: float) -> bool:
        """Whether it ends in that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        return self.popen.returncode is not None


@contextmanager
def target(interpreter: Interpreter, state: str) -> Iterator[Target]:
    """Run a target as long as the block does."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        running = Target(interpreter, state, Path(folder))
        try:
            yield running
        finally:
            running.end()
