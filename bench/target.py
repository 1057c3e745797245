"""The target of `bench/attach.py`, seen from outside: whether its threads run, and how it ended."""

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
AFTERWARDS = 0.2  # seconds for which the target is watched after an attach


class Target:
    """A target that runs subjects/metered.py in a `state`; `folder` is for its files."""

    def __init__(self, interpreter: Interpreter, state: str, folder: Path) -> None:
        """Start the target, and wait until its threads run."""
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
        """The target's PID."""
        return self.popen.pid

    def forget(self) -> None:
        """Set its longest pause to 0."""
        self.times[LONGEST] = 0.0

    @property
    def longest(self) -> float:
        """Its longest pause since `forget`, in seconds; one that has not ended counts too."""
        return max(self.times[LONGEST], time.monotonic() - self.times[MOVED])

    def moves(self, within: float = SIGN_OF_LIFE) -> bool:
        """Whether a thread of the target runs `within` so many seconds."""
        last, deadline = self.times[MOVED], time.monotonic() + within
        while self.times[MOVED] == last:
            if time.monotonic() > deadline or self.popen.poll() is not None:
                return False
            time.sleep(0.001)
        return True

    def harm(self) -> str | None:
        """Return the harm after an attach: "corrupted", "died" or "hung", or None if it is well."""
        time.sleep(AFTERWARDS)
        moves = self.moves()
        if self.popen.poll() is not None:
            return "corrupted" if self.popen.returncode == HARM else "died"
        return None if moves else "hung"

    def end(self) -> None:
        """Kill the target, and a tracer that is left: it would have to collect the target first."""
        self.popen.kill()
        while not self.ended_within(SIGN_OF_LIFE):
            status = Path(f"/proc/{self.pid}/status").read_text()
            tracer = int(status.partition("TracerPid:")[2].split()[0])
            if tracer:
                os.kill(tracer, signal.SIGKILL)

    def ended_within(self, seconds: float) -> bool:
        """Whether the target ends within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
        return self.popen.returncode is not None


@contextmanager
def target(interpreter: Interpreter, state: str) -> Iterator[Target]:
    """Yield a target that runs as long as the body does."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        running = Target(interpreter, state, Path(folder))
        try:
            yield running
        finally:
            running.end()
