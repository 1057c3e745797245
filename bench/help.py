"""Time `covattach --help` beside a bare click program: the least wait at every command."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BARE = "import click; click.command()(lambda: None)()"
PROGRAMS = {
    "covattach --help": [sys.executable, "-m", "covattach", "--help"],
    "bare click --help": [sys.executable, "-c", BARE, "--help"],
}


def once(command: list[str]) -> float:
    """Run a command, and return how many ms it took."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - began)


def main(words: list[str]) -> None:
    """Run both programs in turn, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m bench help", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args(words).rounds
    took: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, command in PROGRAMS.items():
            took[name].append(once(command))
    ours, bare = (statistics.median(times) for times in took.values())
    for name, median in zip(PROGRAMS, (ours, bare), strict=True):
        print(f"{name:18} {median:6.1f} ms")
    print(f"ratio              {ours / bare:6.2f}   (medians of {rounds}, interleaved)")
