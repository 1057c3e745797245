"""Attach to running targets by every method: the outcomes, and how long the targets stand still.

All methods are tried in one run, interleaved: one attach by each to a fresh target, then the next
round.  Every attach has a deadline, after which the tool is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.attach_table import table, write
from bench.methods import CONTROL, COVATTACH, METHODS, PYRASITE_SSE, START, Method
from bench.places import ROOT, interpreter
from bench.target import Target, target

DEADLINE = 12.0  # seconds for one attach; covattach gives up by itself after 8
EXECUTION = 3.0  # seconds for the file to be executed after the tool has ended
PAYLOAD = "import time; open({file!r}, 'w').write(repr(time.monotonic()))\n"
OWN = (CONTROL, COVATTACH, START)
BARE = tuple(method for method in METHODS if not method.injects and method != CONTROL)
SUBJECTS: tuple[tuple[str, str, Sequence[Method]], ...] = (
    ("idle", "3.11", METHODS),
    ("idle", "3.13", METHODS),
    ("allocating", "3.11", METHODS),
    ("allocating", "3.13", METHODS),
    ("copying", "3.11", METHODS),
    ("copying", "3.13", METHODS),
    ("pandas", "3.11", (*OWN, PYRASITE_SSE, *BARE)),
    ("crowded", "3.11", (*OWN, PYRASITE_SSE)),
    ("idle", "3.14", OWN),
    ("allocating", "3.14", OWN),
    ("copying", "3.14", OWN),
)


@dataclass(frozen=True)
class Attach:
    """The result of one attach.

    `outcome` is "ok", "no effect" (the injected file was not executed), or the harm: "hung", "died"
    or "corrupted".  `pause`, for which the target stood still, and `delay`, until the file was
    executed, are in seconds; None if there is none.
    """

    subject: str
    method: str
    outcome: str
    pause: float | None = None
    delay: float | None = None


def attach(method: Method, to: Target) -> tuple[str, float, float | None]:
    """Attach once by `method`; return the outcome, and the pause and the delay, in seconds."""
    done, script = to.folder / "done", to.folder / "payload.py"
    script.write_text(PAYLOAD.format(file=str(done)))
    to.forget()
    began = time.monotonic()
    in_time = run(method, to, script)
    took = time.monotonic() - began
    harm = to.harm() or (None if in_time else "hung")
    pause = to.longest
    if harm or not method.injects:
        return harm or "ok", pause, None
    delay = took if method.starts else executed(done, began)
    return "no effect" if delay is None else "ok", pause, delay


def run(method: Method, to: Target, script: Path) -> bool:
    """Run the attaching tool to its end or the deadline; return whether it ended by itself."""
    with tempfile.TemporaryFile() as output:
        popen = subprocess.Popen(
            method.command(to.pid, script),
            env={**os.environ, **method.environment(to.folder)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
            return False
        if method.starts and code != 0:
            output.seek(0)
            raise RuntimeError(output.read().decode(errors="replace"))
    return True


def executed(done: Path, began: float) -> float | None:
    """Return how many seconds after `began` the injected file was executed, or None if it was not.

    `done` is the file that it writes.  If many threads compete for the GIL, it may still run when
    the tool has ended.
    """
    deadline = time.monotonic() + EXECUTION
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return float(done.read_text()) - began
        time.sleep(0.01)
    return None


def attempts(rounds: int, only: str) -> Iterator[Attach]:
    """Attach by every method to every kind of target, in a new random order every round.

    Only rows that the pattern `only` matches are tried.
    """
    plan = [
        (state, minor, method)
        for state, minor, methods in SUBJECTS
        for method in methods
        if not method.missing and re.search(only, f"{state}, {minor}: {method.name}")
    ]
    for number in range(rounds):
        random.shuffle(plan)
        for state, minor, method in plan:
            subject = f"{state}, {minor}"
            with target(interpreter(minor), state) as running:
                try:
                    outcome, pause, delay = attach(method, running)
                except RuntimeError as error:
                    print(f"{method.name}: {error}", file=sys.stderr)
                    outcome, pause, delay = "no effect", running.longest, None
            yield Attach(subject, method.name, outcome, pause, delay)
            print(f"{number + 1}/{rounds} {subject}: {method.name}: {outcome}", file=sys.stderr)


def main(words: list[str]) -> None:
    """Attach, print the table, and write it into docs/bench-attach.md."""
    parser = argparse.ArgumentParser(prog="python -m bench attach", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds, and write nothing")
    parser.add_argument("--rounds", type=int, default=10, help="attaches of each kind")
    parser.add_argument(
        "--only", default="", help='a pattern for the rows: "idle, 3.11: (?!memray)"'
    )
    parser.add_argument("--keep", type=Path, help="add to this file, and make a table of all in it")
    options = parser.parse_args(words)
    for method in METHODS:
        if method.missing:
            print(f"left out: {method.name} (pip install -e '.[bench]')", file=sys.stderr)
    rounds = 2 if options.quick else options.rounds
    began = os.getloadavg()[0]
    found: list[Attach] = kept(options.keep)
    with contextlib.suppress(KeyboardInterrupt):  # the table is then of what there is
        for one in attempts(rounds, options.only):
            found.append(one)
            keep(options.keep, one)
    text = table(found, rounds, None if options.keep else began)
    print(text)
    if options.keep or not (options.quick or options.only):
        write(text)


def kept(file: Path | None) -> list[Attach]:
    """Return the attaches in `file`, of earlier runs: a quiet machine is seldom there for long."""
    if file is None or not file.exists():
        return []
    return [Attach(**json.loads(line)) for line in file.read_text().splitlines()]


def keep(file: Path | None, one: Attach) -> None:
    """Append an attach to the file, if there is one."""
    if file is not None:
        with file.open("a") as lines:
            lines.write(json.dumps(asdict(one)) + "\n")
