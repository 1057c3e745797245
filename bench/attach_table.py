"""The table of `bench/attach.py`, and its page, docs/bench-attach.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.methods import COVATTACH, METHODS, PYRASITE_SSE, START
from bench.places import ROOT

PAGE = ROOT / "docs" / "bench-attach.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = (
    "| target | method | attaches | ok | no effect | hung | died | corrupted"
    " | longest pause, ms: median (most) | s until executed |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)
OUTCOMES = ("ok", "no effect", "hung", "died", "corrupted")


class Attach(Protocol):
    """One attach that is counted: see `bench.attach.Attach`."""

    @property
    def subject(self) -> str:
        """The target's state and version."""

    @property
    def method(self) -> str:
        """The method's name."""

    @property
    def outcome(self) -> str:
        """One of OUTCOMES."""

    @property
    def pause(self) -> float | None:
        """How long the target stood still, in seconds, or None."""

    @property
    def delay(self) -> float | None:
        """How long it took until the file was executed, in seconds, or None."""


def table(found: Sequence[Attach], rounds: int, load: float | None) -> str:
    """Return the table and notes on it, in Markdown.

    `load` is the machine's load at the start, or None if `found` is from several runs.
    """
    subjects = sorted({one.subject for one in found}, key=order)
    rows = []
    for subject in subjects:
        for method in METHODS:
            same = [one for one in found if (one.subject, one.method) == (subject, method.name)]
            if same:
                rows.append(row(subject, method.name, same))
    command = f"`python -m bench attach --rounds {rounds}`"
    busy = "in pieces" if load is None else f"load {load:.1f} at the start"
    parts = (f"{command}, {machine()}, {busy}.", "\n".join([HEAD, *rows]))
    return "\n\n".join((*parts, *(line for line in ratios(found, subjects) if line)))


def order(subject: str) -> tuple[bool, str]:
    """Return the sort key of a subject: those on 3.14 come last."""
    return subject.endswith("3.14"), subject


def row(subject: str, method: str, same: Sequence[Attach]) -> str:
    """Return the table's row for the attaches `same`; harmful ones do not count for its times."""
    counts = [sum(one.outcome == outcome for one in same) for outcome in OUTCOMES]
    well = [one for one in same if one.outcome in ("ok", "no effect")]
    pauses = [1000 * one.pause for one in well if one.pause is not None]
    delays = [one.delay for one in well if one.delay is not None]
    pause = f"{statistics.median(pauses):.1f} ({max(pauses):.0f})" if pauses else "-"
    delay = f"{statistics.median(delays):.2f}" if delays else "-"
    numbers = " | ".join(str(count) if count else "" for count in counts)
    return f"| {subject} | {method} | {len(same)} | {numbers} | {pause} | {delay} |"


def ratios(found: Sequence[Attach], subjects: Sequence[str]) -> list[str]:
    """Return lines on how many times longer pyrasite stops a target than covattach does."""
    lines = []
    for subject in subjects:
        theirs = median(found, subject, PYRASITE_SSE.name)
        inject = median(found, subject, COVATTACH.name)
        start = median(found, subject, START.name)
        if theirs and inject and start:
            lines.append(
                f"- {subject}: pyrasite's median pause is {theirs / inject:.0f} times covattach's"
                f" with the same file, {theirs / start:.0f} times that of a whole `start`."
            )
    return ["\n".join(lines)]


def median(found: Sequence[Attach], subject: str, method: str) -> float | None:
    """Return a method's median pause on a kind of target, in seconds, without harmful attaches.

    None if there was none without harm.
    """
    pauses = [
        one.pause
        for one in found
        if (one.subject, one.method) == (subject, method)
        and one.outcome in ("ok", "no effect")
        and one.pause is not None
    ]
    return statistics.median(pauses) if pauses else None


def machine() -> str:
    """Return a description of the machine, without its name, and the date."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpus)
    amx = ", with AMX" if " amx_tile" in cpus else ""
    said = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True)
    gdb = said.stdout.splitlines()[0].split()[-1]
    kernel = ".".join(platform.release().split("-")[0].split(".")[:2])
    date = datetime.datetime.now(tz=datetime.UTC).date()
    name = model[1] if model else platform.machine()
    return f"{date}, {name}{amx}, {os.cpu_count()} CPUs, gdb {gdb}, kernel {kernel}"


def put(text: str, page: str) -> str:
    """Return the text of a page with `text` between its markers BEGIN and END."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def write(text: str) -> None:
    """Write the table into docs/bench-attach.md."""
    PAGE.write_text(put(text, PAGE.read_text()))
