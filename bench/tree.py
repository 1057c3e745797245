"""Attach to a tree of many processes, and dump it: the time, beside the CPU time it needs.

The CPU time of an attach is that of covattach and all of its gdbs, and of all targets meanwhile.
Divided by the number of processors, it is the least that the attach can take if nobody else needs
them.  So the CPU time of other processes is shown, and subtracted.  A dump of the tree is compared
with one of a single process that has executed the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.attach_table import machine
from bench.pages import write
from bench.places import ROOT, interpreter, piped

PROGRAM = Path(__file__).parent / "subjects" / "crowd.py"
HEAD = (
    "| Python | attached in | CPU, both sides | CPU of others | ratio | dump of the tree"
    " | of one process | ratio | dump with HTML | of one process | ratio |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def busy() -> float:
    """Return the CPU seconds of all processors since the machine was started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, hard, soft = map(int, words[:7])
    return (user + nice + system + hard + soft) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """The processes of subjects/crowd.py: `pids`, of which the first is the parent."""

    def __init__(self, popen: subprocess.Popen[str], folder: Path) -> None:
        """Wait until all processes have started."""
        self.popen, self.folder = popen, folder
        self.line()
        self.pids = self.ask("pids")

    def line(self) -> str:
        """Return the next line of its output."""
        assert self.popen.stdout
        return self.popen.stdout.readline()

    def ask(self, order: str) -> list[int]:
        """Give the processes an order; return their PIDs once it is done."""
        assert self.popen.stdin
        self.popen.stdin.write(order + "\n")
        self.popen.stdin.flush()
        return [int(word) for word in self.line().split()]

    def cpu(self) -> float:
        """Return the CPU seconds of all threads of all processes so far."""
        found = 0
        for pid in self.pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += int((task / "schedstat").read_text().split()[0])
        return found / 1e9

    def covattach(self, *words: str) -> tuple[float, float]:
        """Run a command; return its duration, and the CPU time of both sides, in seconds."""
        before, began = self.cpu(), time.perf_counter()
        popen = subprocess.Popen(
            [sys.executable, "-m", "covattach", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(popen.pid, 0)
        took = time.perf_counter() - began
        popen.returncode = os.waitstatus_to_exitcode(status)
        if popen.returncode:
            raise SystemExit(f"covattach {' '.join(words)} ended with {popen.returncode}")
        return took, used.ru_utime + used.ru_stime + self.cpu() - before


@contextmanager
def crowd(minor: str, count: int) -> Iterator[Crowd]:
    """Yield `count` processes on the version `minor`, which run as long as the body does."""
    on = interpreter(minor)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        popen = piped(on, [PROGRAM, count], Path(folder))
        try:
            yield Crowd(popen, Path(folder))
        finally:
            popen.communicate()  # at the end of its orders it ends, and so do its children


def attach(on: Crowd) -> list[str]:
    """Attach to all processes; return the table's cells with time and CPU time."""
    before = busy()
    took, cpu = on.covattach("start", str(on.pids[0]), "--tree")
    others = busy() - before - cpu
    on.ask("run")
    there = took * (os.cpu_count() or 1) - others
    return [f"{took:.1f} s", f"{cpu:.1f} s", f"{others:.1f} s", ratio(there, cpu)]


def dumps(on: Crowd, rounds: int, *options: str) -> float:
    """Return how many seconds a dump takes: the median of `rounds` dumps."""
    words = ("dump", str(on.pids[0]), *options)
    return statistics.median(on.covattach(*words)[0] for _ in range(rounds))


def row(minor: str, count: int, rounds: int) -> str:
    """Measure `count` processes on the version `minor`; return the table's row."""
    with crowd(minor, 1) as single, crowd(minor, count) as many:
        attach(single)
        cells = [interpreter(minor).version, *attach(many)]
        plain = [dumps(on, rounds, "--no-html") for on in (many, single)]
        html = [dumps(on, rounds) for on in (many, single)]
        for on in (single, many):
            on.covattach("stop", str(on.pids[0]), "--no-dump")
    for tree, one in (plain, html):
        cells += [f"{tree:.2f} s", f"{one:.2f} s", ratio(tree, one)]
    return f"| {' | '.join(cells)} |"


def ratio(one: float, other: float) -> str:
    """Return the quotient of two durations, as a cell of the table."""
    return f"{one / other:.2f}"


def main(words: Sequence[str]) -> None:
    """Measure, and write the table into docs/bench-costs.md."""
    parser = argparse.ArgumentParser(prog="python -m bench tree", description=__doc__)
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3, help="dumps of each")
    parser.add_argument("--python", default="3.11,3.14", metavar="LIST")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args(words)
    load = os.getloadavg()[0]
    minors = options.python.split(",")
    rows = [row(minor, options.processes, options.rounds) for minor in minors]
    asked = f"--processes {options.processes} --rounds {options.rounds} --python {options.python}"
    head = f"`python -m bench tree {asked}`, {machine()}, load {load:.1f} at the start.\n"
    text = "\n".join((head, HEAD, *rows))
    print(text)
    if not options.dry:
        write(text, "tree")
