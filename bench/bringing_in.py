"""Attach to a busy target: how long its main loop stands still, how much slower it gets meanwhile.

The control is the same target, for as long, just before.  The CPU time that the import of coverage
takes in the target is compared with that of a plain `import coverage` on the same interpreter.
"""

from __future__ import annotations

import argparse
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.attach_table import machine
from bench.pages import write
from bench.places import Interpreter, interpreter
from bench.subjects.ticking import BEGAN, BIN, BINS, LONGEST, SIZE
from covattach.attach import attach_process

PROGRAM = Path(__file__).parent / "subjects" / "ticking.py"
MINORS = ("3.9", "3.11", "3.13", "3.14")
SETTLING = 1.5  # seconds in which the target's code is specialised
WATCHED = 2.0  # seconds of the control, and of an attach with what follows it
WINDOW = 1.0  # seconds in which the rounds of the main loop are counted
# It imports first what ticking.py has imported, which then costs neither of the two anything.
PLAIN = "import mmap, sys, threading, time; began = time.process_time(); import coverage; "
PLAIN += "print(time.process_time() - began)"
HEAD = (
    "| Python | core | stall, no attach: median (most) | stall, attach: median (most)"
    " | worst second: median (least) | CPU | plain `import coverage` | ratio |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|"
)


@dataclass(frozen=True)
class Attach:
    """One attach to a target: the longest stalls in ms, without it (`control`) and with it.

    `worst` is the speed in the slowest second, in per cent of the usual.  `cpu` is the CPU time of
    the agent's thread, in ms.
    """

    core: str
    control: float
    stall: float
    worst: float
    cpu: float


class Ticking:
    """A target that runs ticking.py, and notes in the shared `numbers` how its loop gets on."""

    def __init__(self, on: Interpreter, folder: Path) -> None:
        """Start the target on an interpreter, and wait until its code is specialised."""
        path = folder / "numbers"
        path.write_bytes(bytes(SIZE))
        self.popen = subprocess.Popen(
            [on.python, PROGRAM, path],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": on.site},
            stdin=subprocess.DEVNULL,
        )
        with path.open("r+b") as file:
            self.numbers = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("d")
        time.sleep(SETTLING)

    def now(self) -> int:
        """Return the number of the present bin, a hundredth of a second."""
        return int((time.monotonic() - self.numbers[BEGAN]) / BIN)

    def stall(self) -> float:
        """Return the target's longest stall since the last call, in ms."""
        longest, self.numbers[LONGEST] = self.numbers[LONGEST], 0.0
        return 1000 * longest

    def windows(self, first: int, last: int) -> list[float]:
        """Return how many rounds there were in each second between the bins `first` and `last`."""
        counts = self.numbers[BINS + first : BINS + last].tolist()
        width = int(WINDOW / BIN)
        return [sum(counts[at : at + width]) for at in range(len(counts) - width + 1)]


@contextmanager
def ticking(on: Interpreter) -> Iterator[Ticking]:
    """Yield a target that runs as long as the body does."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        target = Ticking(on, Path(folder))
        try:
            yield target
        finally:
            target.popen.kill()
            target.popen.wait()


def measure(on: Interpreter) -> Attach:
    """Attach to a new target once, and return the figures."""
    with ticking(on) as target:
        target.stall()
        first = target.now()
        time.sleep(WATCHED)
        usual = statistics.median(target.windows(first, target.now()))
        control, began = target.stall(), target.now()
        found, facts = attach_process.start(target.popen.pid, attach_process.Options(), str)
        # What runs from here on is measured, which on ctrace is a cost of its own.
        stall, ended = target.stall(), target.now()
        cpu = cpu_of(target.popen.pid, int(facts["thread"]))
        found.stop()
        around = target.windows(max(first, ended - int(WINDOW / BIN)), ended)
        around += target.windows(began, ended) if ended - began > WINDOW / BIN else []
        return Attach(facts["core"], control, stall, 100 * min(around) / usual, cpu)


def cpu_of(pid: int, thread: int) -> float:
    """Return the CPU time of a thread of process `pid`, in ms."""
    path = Path(f"/proc/{pid}/task/{thread}/schedstat")
    return int(path.read_text().split()[0]) / 1e6


def plain(on: Interpreter) -> float:
    """Return the CPU time of a plain `import coverage`, in ms."""
    done = subprocess.run(
        [on.python, "-c", PLAIN],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": on.site},
        capture_output=True,
        check=True,
    )
    return 1000 * float(done.stdout)


def row(minor: str, rounds: int) -> str:
    """Measure `rounds` attaches on the version `minor`; return its row of the table."""
    on = interpreter(minor)
    plain(on)  # writes what is compiled
    found: list[Attach] = []
    times: list[float] = []
    for _ in range(rounds):
        times.append(plain(on))
        found.append(measure(on))
        print(minor, found[-1], f"plain {times[-1]:.1f}", file=sys.stderr, flush=True)
    ours, theirs = min(one.cpu for one in found), min(times)
    controls, stalls = [one.control for one in found], [one.stall for one in found]
    worst = [one.worst for one in found]
    cells = (
        on.version,
        found[0].core,
        f"{statistics.median(controls):.1f} ms ({max(controls):.1f})",
        f"{statistics.median(stalls):.1f} ms ({max(stalls):.1f})",
        f"{statistics.median(worst):.0f} % ({min(worst):.0f})",
        f"{ours:.0f} ms",
        f"{theirs:.0f} ms",
        f"{ours / theirs:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main(words: list[str]) -> None:
    """Measure on all interpreters, and write the table into docs/bench-costs.md."""
    parser = argparse.ArgumentParser(prog="python -m bench bringing_in", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--python", default=",".join(MINORS), metavar="LIST")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args(words)
    load = os.getloadavg()[0]
    rows = [row(minor, options.rounds) for minor in options.python.split(",")]
    command = f"`python -m bench bringing_in --rounds {options.rounds} --python {options.python}`"
    text = "\n".join((f"{command}, {machine()}, load {load:.1f} at the start.\n", HEAD, *rows))
    print(text)
    if not options.dry:
        write(text, "bringing in")
