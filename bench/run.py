"""Time the end of a short program of three processes under `covattach run` and `coverage run`."""

from __future__ import annotations

import argparse
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = ("-m", "bench.subjects.short")


def variants(python: str) -> dict[str, list[list[str]]]:
    """Return the commands of each variant, by name; the first of each starts the program."""
    coverage = [sys.executable, "-m", "coverage"]
    plain = [python, *PROGRAM]
    return {
        "the program alone": [plain],
        "coverage run": [[python, "-m", "coverage", "run", "--parallel-mode", *PROGRAM]],
        "covattach run --no-html": [
            [sys.executable, "-m", "covattach", "run", "--no-html", "--", *plain]
        ],
        "coverage run, combine, report": [
            [python, "-m", "coverage", "run", "--parallel-mode", *PROGRAM],
            [*coverage, "combine", "--quiet"],
            [*coverage, "report"],
        ],
    }


def once(commands: list[list[str]], folder: Path) -> tuple[float, float]:
    """Run a variant's commands; return the ms to the program's end, and to the end of all."""
    environment = {**os.environ, "COVERAGE_FILE": str(folder / ".coverage")}
    began = time.perf_counter()
    first = subprocess.Popen(
        with_data_file(commands[0], folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment,
    )
    assert first.stdout is not None
    descriptor = os.pidfd_open(int(first.stdout.readline()))
    select.select([descriptor], [], [])
    os.close(descriptor)
    ended = time.perf_counter()
    first.communicate()
    for command in commands[1:]:
        subprocess.run(command, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment, check=True)
    return 1000 * (ended - began), 1000 * (time.perf_counter() - began)


def with_data_file(command: list[str], folder: Path) -> list[str]:
    """Return the command, if it is covattach's, with its data file in `folder`."""
    if "covattach" not in command:
        return command
    place = command.index("--no-html")
    return [*command[:place], f"--data-file={folder}/ours", *command[place:]]


def main(words: list[str]) -> None:
    """Run all variants, interleaved, and print the medians."""
    parser = argparse.ArgumentParser(prog="python -m bench run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--python", default=sys.executable, help="it must have coverage")
    options = parser.parse_args(words)
    took: dict[str, list[tuple[float, float]]] = {}
    for number in range(options.rounds + 1):
        for name, commands in variants(options.python).items():
            with tempfile.TemporaryDirectory() as folder:
                measured = once(commands, Path(folder))
            if number:  # the first round fills caches
                took.setdefault(name, []).append(measured)
    print(f"{'':30} {'program has ended':>20} {'all is done':>14}")
    for name, pairs in took.items():
        ended, done = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"{name:30} {ended:17.0f} ms {done:11.0f} ms")
    print(f"(medians of {options.rounds}, interleaved, {options.python})")
