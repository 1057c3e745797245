"""Run benchmarks while covattach, coverage or SlipCover measures them: how much slower is that.

Each variant is a process of its own, in a loop; one runs at a time, in turn, a sample each.  Those
that covattach measures are sampled before `start`, in between, and after `stop`, and two that
nobody measures are sampled beside them all the time.  What is compared are medians of CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.overhead_table import record, table, write
from bench.places import interpreter
from bench.variants import BENCHMARKS, Looping, variants

MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
SAMPLE = 0.03  # seconds of CPU that a sample of the control takes, at least
WARM_UP = 3  # samples in which the interpreter specialises its code
PHASES = ("before", "during", "after")
Samples = dict[tuple[Looping, str], list[float]]


@dataclass(frozen=True)
class Result:
    """How many times longer a variant takes than no coverage; quartiles of single samples.

    `phase` is "during" or "after" (of `stop`).  A variant that attaches is compared with itself
    before `start`, and the control's own change in the meantime is divided out.
    """

    minor: str
    benchmark: str
    variant: str
    branch: bool
    phase: str
    ratio: float
    low: float
    high: float


def measure(minor: str, benchmark: str, rounds: int) -> Iterator[Result]:
    """Run all variants of a benchmark on an interpreter."""
    on = interpreter(minor)
    samples: Samples = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        running = []
        for variant in variants(minor):
            try:
                one = Looping(variant, benchmark, on, Path(folder))
            except subprocess.CalledProcessError:
                print(f"{variant.name} is not to be had for {minor}", file=sys.stderr)
                continue
            stack.callback(one.end)
            if one.wait():
                running.append(one)
            else:
                print(f"{variant.name} failed: {one.log.read_text()[-500:]}", file=sys.stderr)
        count = calibrated(running[0])
        attached = [one for one in running if one.variant.attaches]
        beside = [one for one in running if not one.variant.measures]
        for one in running:
            for _ in range(1 if one.variant.words else WARM_UP):
                one.sample(count)
        take(samples, beside + attached, "before", count, 2 * rounds)
        for one in attached:
            one.attach()
            one.sample(count)  # the first time round, each line is reported
        take(samples, running, "during", count, rounds)
        for one in attached:
            one.detach()
            for _ in range(WARM_UP):
                one.sample(count)
        take(samples, beside + attached, "after", count, 2 * rounds)
    for one in running:
        yield from results(samples, one, running[0], minor, benchmark)


def calibrated(control: Looping) -> int:
    """Return how often a benchmark is run for a sample."""
    for _ in range(WARM_UP):
        control.sample(1)
    once = statistics.median(control.sample(1)[1] for _ in range(5))
    return max(1, round(SAMPLE / once))


def take(samples: Samples, running: Sequence[Looping], phase: str, count: int, rounds: int) -> None:
    """Take a sample of each in every round, in a new order each time."""
    for _ in range(rounds):
        for one in random.sample(running, len(running)):
            samples[one, phase].append(one.sample(count)[1])


def results(
    samples: Samples, one: Looping, control: Looping, minor: str, benchmark: str
) -> Iterator[Result]:
    """Compare one variant with the control."""
    middle = {key: statistics.median(times) for key, times in samples.items()}
    own = (one, "before") in middle and one is not control
    for phase in PHASES[1:]:
        if one is control or (one, phase) not in middle:
            continue
        unit = middle[control, phase]
        if own:
            unit *= middle[one, "before"] / middle[control, "before"]
        times = samples[one, phase]
        low, _, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
        name, branch = one.variant.name, one.variant.branch
        numbers = (middle[one, phase] / unit, low / unit, high / unit)
        yield Result(minor, benchmark, name, branch, phase, *numbers)


def main(words: list[str]) -> None:
    """Measure, print the table, and write it into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m bench overhead", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, and write nothing")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each while measured")
    parser.add_argument("--python", default=",".join(MINORS), metavar="LIST")
    parser.add_argument("--benchmarks", default=",".join(BENCHMARKS), metavar="LIST")
    options = parser.parse_args(words)
    if options.quick:
        options.python, options.benchmarks, options.rounds = "3.11,3.14", "richards,flask", 5
    minors, benchmarks = options.python.split(","), options.benchmarks.split(",")
    unknown = {*minors} - {*MINORS} | {*benchmarks} - {*BENCHMARKS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    found: list[Result] = []
    for minor in minors:
        for benchmark in benchmarks:
            print(f"{minor} {benchmark}", file=sys.stderr, flush=True)
            found += measure(minor, benchmark, options.rounds)
    text = table(found, f"{options.rounds}", load)
    print(text)
    if not options.quick and (*minors, *benchmarks) == (*MINORS, *BENCHMARKS):
        write(text)
        record(found)
