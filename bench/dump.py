"""Dump an application of 900 files: what it costs the target, and how long it takes in all.

In the target: the CPU time of the agent's thread for the first dump and for those that follow,
which is the most for which it can have had the GIL, and the longest time for which a thread that
always wants it could not run, beside the same without a dump.  In all: `covattach dump`, beside
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

from bench import large
from bench.attach_table import machine
from bench.bringing_in import cpu_of
from bench.pages import write
from bench.places import ROOT, interpreter, piped
from covattach import attach, session

MINORS = ("3.9", "3.11", "3.14")
PROGRAM = Path(large.__file__)
HEAD = (
    "| Python | core | what | in the data | CPU in the target: first dump | further ones"
    " | stall, no dump (most) | stall, dump (most) |\n"
    "|---|---|---|--:|--:|--:|--:|--:|"
)
WHOLE = (
    "| Python | what | `covattach dump` | `coverage html`, same data | difference |\n"
    "|---|---|--:|--:|--:|"
)


@dataclass
class Target:
    """The application, with the process that runs it."""

    popen: subprocess.Popen[str]
    folder: Path

    def ask(self, order: str) -> str:
        """Give an order; return the answer."""
        assert self.popen.stdin
        assert self.popen.stdout
        self.popen.stdin.write(order + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline()

    def stall(self) -> float:
        """Return its longest stall since the last time, in ms."""
        return 1000 * float(self.ask("stall"))


@contextmanager
def target(minor: str) -> Iterator[Target]:
    """Run the application as long as the block does."""
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


def inside(on: Target, minor: str, branch: bool, dumps: int) -> tuple[str, session.Session]:
    """Measure what dumps cost the target; return the row, and the session, which goes on."""
    given = {"run:branch": branch, "run:source": [str(on.folder / "large")]}
    found, facts = attach.start(on.popen.pid, attach.Options(given=given), str)
    on.ask("run")
    costs, stalls, controls = [], [], []
    for _ in range(1 + dumps):
        on.stall()
        time.sleep(0.2)
        controls.append(on.stall())
        before = cpu_of(on.popen.pid, int(facts["thread"]))
        snapshot, _ = session.snapshot(found)
        time.sleep(0.2)
        stalls.append(on.stall())
        costs.append(cpu_of(on.popen.pid, int(facts["thread"])) - before)
    cells = (
        interpreter(minor).version,
        facts["core"],
        "branches" if branch else "lines",
        f"{snapshot.points:,}",
        f"{costs[0]:.1f} ms",
        f"{statistics.median(costs[1:]):.1f} ms",
        f"{statistics.median(controls):.1f} ms ({max(controls):.1f})",
        f"{statistics.median(stalls):.1f} ms ({max(stalls):.1f})",
    )
    return f"| {' | '.join(cells)} |", found


def seconds(words: Sequence[str], folder: Path) -> float:
    """Return how long a command takes."""
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, check=True, capture_output=True, env=environment
    )
    return time.perf_counter() - began


def whole(on: Target, minor: str, branch: bool, rounds: int) -> str:
    """Take the time of whole dumps, and of `coverage html`, in turn; return the row."""
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
    """Measure, and write the tables down."""
    parser = argparse.ArgumentParser(prog="python -m bench dump", description=__doc__)
    parser.add_argument("--dumps", type=int, default=9, help="after the first, of each target")
    parser.add_argument("--rounds", type=int, default=3, help="of whole dumps; 0 for none")
    parser.add_argument("--python", default=",".join(MINORS), metavar="LIST")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args(words)
    load = os.getloadavg()[0]
    rows, wholes = [HEAD], [WHOLE]
    for minor in options.python.split(","):
        for branch in (False, True):
            with target(minor) as on:
                cells, found = inside(on, minor, branch, options.dumps)
                print(cells, file=sys.stderr, flush=True)
                rows.append(cells)
                if options.rounds:
                    wholes.append(whole(on, minor, branch, options.rounds))
                session.stop(found)
    asked = f"--dumps {options.dumps} --rounds {options.rounds} --python {options.python}"
    head = f"`python -m bench dump {asked}`, {machine()}, load {load:.1f} at the start.\n"
    tables = ["\n".join(rows), *(["\n".join(["", *wholes])] if options.rounds else [])]
    text = "\n".join((head, *tables))
    print(text)
    if not options.dry:
        write(text, "dump" if options.rounds else "dump, inside")
