"""Dump an application of 900 files: the cost to the target, and the time of a whole dump.

Measured in the target is the CPU time of the agent's thread, for the first dump and for those that
follow: at most for so long can it have had the GIL.  Part of it is the snapshot, with the GIL; the
rest is mostly the kernel's sending, without it.  Measured too is the longest stall of a thread that
always wants the GIL, with and without a dump.  The whole `covattach dump` is compared with
`coverage html` on the data file that it has written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.attach_table import machine
from bench.bringing_in import cpu_of
from bench.pages import write
from bench.places import ROOT, interpreter, piped
from bench.subjects import large
from covattach.attach import attach_process
from covattach.session.session import Session

MINORS = ("3.9", "3.11", "3.14")
A_LOOK = 0.2  # seconds for which a stall is looked for
PROGRAM = Path(large.__file__)
HEAD = (
    "| Python | core | what | in the data | CPU in the target: first dump | its snapshot alone"
    " | further dumps | stall, no dump (most) | stall, dump (most) |\n"
    "|---|---|---|--:|--:|--:|--:|--:|--:|"
)
WHOLE = (
    "| Python | what | `covattach dump` | `coverage html`, same data | difference |\n"
    "|---|---|--:|--:|--:|"
)


@dataclass
class Target:
    """The application (subjects/large.py), and the process that runs it."""

    popen: subprocess.Popen[str]
    folder: Path

    def ask(self, order: str) -> str:
        """Send the target an order, and return its answer."""
        assert self.popen.stdin
        assert self.popen.stdout
        self.popen.stdin.write(order + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline()

    def stall(self) -> float:
        """Return the longest stall since the last call, in ms."""
        return 1000 * float(self.ask("stall"))


@contextmanager
def target(minor: str) -> Iterator[Target]:
    """Yield a target on the version `minor`, which runs as long as the body does."""
    on = interpreter(minor)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        large.generate(folder)
        popen = piped(on, [PROGRAM, folder], folder)
        try:
            assert popen.stdout
            popen.stdout.readline()
            yield Target(popen, folder)
        finally:
            popen.kill()
            popen.communicate()


class Costs:
    """The costs of dumps to the target, in ms: lists with one item for each dump."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.snapshot: list[float] = []  # the snapshot's part of `cpu`
        self.stall: list[float] = []
        self.control: list[float] = []  # the stall without a dump

    def dump(self, on: Target, found: Session, thread: int) -> int:
        """Take a snapshot, and note its costs; return how many lines or arcs are in the data.

        `thread` is the ID of the agent's thread.
        """
        on.stall()
        time.sleep(A_LOOK)
        self.control.append(on.stall())
        before = cpu_of(on.popen.pid, thread)
        _, snapshot, milliseconds = found.snapshot()
        time.sleep(A_LOOK)
        self.stall.append(on.stall())
        self.cpu.append(cpu_of(on.popen.pid, thread) - before)
        self.snapshot.append(milliseconds)
        return snapshot.points


class Inside:
    """The costs of dumps to targets on one version, for lines or, with `branch`, for branches."""

    def __init__(self, minor: str, branch: bool) -> None:
        self.minor, self.branch = minor, branch
        self.first, self.further = Costs(), Costs()
        self.points = 0
        self.core = ""

    def measure(self, on: Target, dumps: int) -> Session:
        """Attach, take a first snapshot, and `dumps` further ones; return the open session."""
        given = {"run:branch": self.branch, "run:source": [str(on.folder / "large")]}
        found, facts = attach_process.start(on.popen.pid, attach_process.Options(given=given), str)
        on.ask("run")
        self.core, thread = str(facts["core"]), int(facts["thread"])
        self.points = self.first.dump(on, found, thread)
        for _ in range(dumps):
            self.further.dump(on, found, thread)
        return found

    def row(self) -> str:
        """Return the row of the table with these costs."""
        controls = self.first.control + self.further.control
        stalls = self.first.stall + self.further.stall
        cells = (
            interpreter(self.minor).version,
            self.core,
            "branches" if self.branch else "lines",
            f"{self.points:,}",
            f"{statistics.median(self.first.cpu):.1f} ms",
            f"{statistics.median(self.first.snapshot):.1f} ms",
            f"{statistics.median(self.further.cpu):.1f} ms",
            f"{statistics.median(controls):.1f} ms ({max(controls):.1f})",
            f"{statistics.median(stalls):.1f} ms ({max(stalls):.1f})",
        )
        return f"| {' | '.join(cells)} |"


def seconds(words: Sequence[str], folder: Path) -> float:
    """Run the Python module and arguments `words`; return how many seconds that took."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True, env=environment
    )
    return time.perf_counter() - began


def whole(on: Target, minor: str, branch: bool, rounds: int) -> str:
    """Time whole dumps and `coverage html`, in turn, `rounds` times; return the table's row."""
    ours, theirs = [], []
    for _ in range(rounds):
        for folder in ("htmlcov", "stock"):  # neither finds pages that are up to date
            shutil.rmtree(on.folder / folder, ignore_errors=True)
        ours.append(seconds(["covattach", "dump", str(on.popen.pid)], on.folder))
        theirs.append(seconds(["coverage", "html", "--directory=stock"], on.folder))
        print(f"{minor}: dump {ours[-1]:.2f} s, html {theirs[-1]:.2f} s", file=sys.stderr)
    dump, html = statistics.median(ours), statistics.median(theirs)
    what = "branches" if branch else "lines"
    cells = (interpreter(minor).version, what, f"{dump:.1f} s", f"{html:.1f} s")
    return f"| {' | '.join(cells)} | {dump - html:+.2f} s |"


def main(words: list[str]) -> None:
    """Measure, and write the tables into docs/bench-costs.md."""
    parser = argparse.ArgumentParser(prog="python -m bench dump", description=__doc__)
    parser.add_argument("--targets", type=int, default=5, help="of which to measure a first dump")
    parser.add_argument("--dumps", type=int, default=9, help="after the first, of each target")
    parser.add_argument("--rounds", type=int, default=3, help="of whole dumps; 0 for none")
    parser.add_argument("--python", default=",".join(MINORS), metavar="LIST")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args(words)
    load = os.getloadavg()[0]
    rows, wholes = [HEAD], [WHOLE]
    for minor in options.python.split(","):
        for branch in (False, True):
            costs = Inside(minor, branch)
            for at in range(options.targets):
                with target(minor) as on:
                    found = costs.measure(on, options.dumps)
                    if options.rounds and at == 0:
                        wholes.append(whole(on, minor, branch, options.rounds))
                    found.stop()
            rows.append(costs.row())
            print(rows[-1], file=sys.stderr, flush=True)
    asked = f"--targets {options.targets} --dumps {options.dumps} --rounds {options.rounds}"
    asked += f" --python {options.python}"
    head = f"`python -m bench dump {asked}`, {machine()}, load {load:.1f} at the start.\n"
    tables = ["\n".join(rows), *(["\n".join(["", *wholes])] if options.rounds else [])]
    text = "\n".join((head, *tables))
    print(text)
    if not options.dry:
        write(text, "dump")
