"""Run benchmarks while covattach, coverage or SlipCover measures them: how much slower is that.

Each variant is a process of its own, which runs its benchmark in a loop.  One runs at a time, in
turn, for one sample each.  Those that covattach measures are sampled before `start`, in between,
and after `stop`.  Two that nobody measures are sampled beside them all the time.  Samples of the
same turn are compared by CPU time: a busy machine is up to twice as slow for seconds on end, for
all of them alike.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import signal
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.attach_table import machine
from bench.overhead_table import PHASES, Result, table, write
from bench.places import interpreter
from bench.subject import Failed, Subject
from bench.variants import BENCHMARKS, CONTROL, FOLDER, VARIANTS, Variant

MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
SAMPLE = 0.02  # seconds of CPU that a sample of the control takes, about
TURNS = 6  # in a round: many short samples are nearer to the control's than few long ones
WARM_UP = 3  # samples in which the interpreter specialises its code
Samples = dict[tuple[Variant, str], dict[int, float]]  # by the turn in which they were taken


def measure(minor: str, benchmark: str, rounds: int) -> Iterator[Result]:
    """Run all variants of a benchmark on the version `minor`; yield the results."""
    samples: Samples = defaultdict(dict)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        on = interpreter(minor)
        subjects = [Subject(variant, benchmark, on, Path(folder)) for variant in VARIANTS]
        for one in subjects:
            stack.callback(one.end)
        each(subjects, Subject.start)
        each(subjects, Subject.wait)
        control = subjects[0]
        count = calibrated(control)
        attached = [one for one in subjects if one.variant.attaches]
        begun = [one for one in subjects if one.variant.words]
        beside = [one for one in subjects if not one.variant.measures]
        warm_up(beside + attached, count)
        take(samples, beside + attached, "before", count, rounds)
        each(attached, Subject.attach)
        for one in attached + begun:
            each([one], lambda one: one.sample(count))  # the first time round, lines are new
        take(samples, subjects, "during", count, rounds)
        each(begun, Subject.finish)
        each(attached, Subject.detach)
        warm_up(beside + attached, count)
        take(samples, beside + attached, "after", count, rounds)
    for phase in PHASES:
        for one in subjects:
            if one is not control and (phase == "during" or one not in begun):
                yield result(samples, one, phase, control.fault)


def each(subjects: Iterable[Subject], action: Callable[[Subject], object]) -> None:
    """Call `action` for each subject without a fault; one for which it fails is left out later."""
    for one in subjects:
        if not one.fault:
            try:
                action(one)
            except Failed as error:
                one.fault = str(error)
                print(f"{one.variant.name}, {one.variant.what}: {one.fault}", file=sys.stderr)


def calibrated(control: Subject) -> int:
    """Return how many runs of the benchmark make one sample of about SAMPLE seconds."""
    times: list[float] = []
    for _ in range(WARM_UP + 5):
        each([control], lambda one: times.append(one.sample(1)))
    return max(1, round(SAMPLE / statistics.median(times[WARM_UP:]))) if times[WARM_UP:] else 1


def warm_up(subjects: Iterable[Subject], count: int) -> None:
    """Run the subjects until their code is specialised, also again after `stop`."""
    for one in subjects:
        for _ in range(WARM_UP):
            each([one], lambda one: one.sample(count))


def take(samples: Samples, subjects: list[Subject], phase: str, count: int, rounds: int) -> None:
    """Take samples of each subject in turn, in a new order each time.

    A variant that is many times slower needs no precision of a per cent, and is left out after some
    turns.  `count` is how often the benchmark runs for a sample.
    """
    enough = 2 * rounds * TURNS * SAMPLE
    for turn in range(rounds * TURNS):
        for one in random.sample(subjects, len(subjects)):
            mine = samples[one.variant, phase]
            if one.variant == CONTROL or len(mine) < rounds or sum(mine.values()) < enough:
                each([one], functools.partial(note, mine, turn, count))


def note(mine: dict[int, float], turn: int, count: int, one: Subject) -> None:
    """Take one sample of a subject, and put it into `mine`."""
    mine[turn] = one.sample(count)


def result(samples: Samples, one: Subject, phase: str, fault: str) -> Result:
    """Return the result of one subject, compared with the control; `fault` is the control's."""
    numbers = {} if one.fault or fault else compared(samples, one.variant, phase)
    return Result(
        one.benchmark,
        one.variant,
        phase,
        **numbers,
        lines=one.lines,
        core=one.core,
        fault=one.fault or fault,
    )


def compared(samples: Samples, variant: Variant, phase: str) -> dict[str, float]:
    """Return how many times longer a variant takes than the control: median and quartiles.

    If it was sampled before `start`, that is its unit: two processes that run the same differ by
    some per cent, for as long as they live.
    """
    times = quotients(samples, variant, phase)
    own = quotients(samples, variant, "before")
    unit = statistics.median(own) if own else 1.0
    low, middle, high = statistics.quantiles(times, n=4)
    return {"ratio": middle / unit, "low": low / unit, "high": high / unit}


def quotients(samples: Samples, variant: Variant, phase: str) -> list[float]:
    """Return the samples of a variant, each divided by the control's of the same turn."""
    control = samples.get((CONTROL, phase), {})
    own = samples.get((variant, phase), {})
    return [time / control[turn] for turn, time in own.items() if turn in control]


def arguments(words: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench overhead", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or two, and write nothing")
    parser.add_argument("--rounds", type=int, default=9, help=f"of {TURNS} samples of each")
    parser.add_argument("--python", default=",".join(MINORS), metavar="LIST")
    parser.add_argument("--benchmarks", default=",".join(BENCHMARKS), metavar="LIST")
    options = parser.parse_args(words)
    if options.quick:
        options.python, options.benchmarks, options.rounds = "3.11,3.14", "nqueens,flask", 2
    options.command = (
        f"python -m bench overhead --python {{}} --benchmarks {options.benchmarks}"
        f" --rounds {options.rounds}"
    )
    options.python, options.benchmarks = options.python.split(","), options.benchmarks.split(",")
    unknown = {*options.python} - {*MINORS} | {*options.benchmarks} - {*BENCHMARKS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.rounds < 2:
        parser.error("a median needs two rounds at least")
    if not FOLDER.is_dir():
        parser.error("pyperformance is not installed: pip install -e '.[bench]'")
    for minor in options.python:
        interpreter(minor)  # rather now than after an hour
    return options


def main(words: list[str]) -> None:
    """Measure; print and write each benchmark's figures as soon as they are there."""
    options = arguments(words)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for minor in options.python:
            load = f"load {os.getloadavg()[0]:.1f} at the start"
            head = f"`{options.command.format(minor)}`, Python {interpreter(minor).version}"
            found: list[Result] = []
            for benchmark in options.benchmarks:
                print(f"{minor} {benchmark}", file=sys.stderr, flush=True)
                for one in measure(minor, benchmark, options.rounds):
                    found.append(one)
                    print(one.sentence, flush=True)
                section = f"{head}, {machine()}, {load}.\n\n{table(found)}"
                if not options.quick:
                    write(section, minor)
            print(f"\n{section}\n", flush=True)
    except KeyboardInterrupt:
        print("interrupted: what is above is what there is", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
