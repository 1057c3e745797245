"""The tables of `bench/overhead.py`, their page, and the figures that `start` tells."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Protocol

from covattach.payloads.measure import best_core

from bench.attach_table import machine, put
from bench.places import ROOT
from bench.variants import AGAIN, BENCHMARKS, LINES

PAGE = ROOT / "docs" / "bench-overhead.md"
COSTS = ROOT / "covattach" / "costs.json"


class Result(Protocol):
    """What is shown: see `bench.overhead.Result`."""

    @property
    def minor(self) -> str:
        """The interpreter, as 3.14."""

    @property
    def benchmark(self) -> str:
        """One of BENCHMARKS."""

    @property
    def variant(self) -> str:
        """Who measures."""

    @property
    def branch(self) -> bool:
        """Whether branches are measured, too."""

    @property
    def phase(self) -> str:
        """When: during, or after."""

    @property
    def ratio(self) -> float:
        """Times no coverage."""

    @property
    def low(self) -> float:
        """The first quartile."""

    @property
    def high(self) -> float:
        """The third quartile."""


def table(found: Sequence[Result], rounds: str, load: float) -> str:
    """Return the tables and what is to be known of them, in Markdown."""
    command = f"`python -m bench overhead --rounds {rounds}`"
    parts = [f"{command}, {machine()}, load {load:.1f} at the start."]
    for phase, title in (("during", "While measured"), ("after", "After `covattach stop`")):
        parts += [f"### {title}", grid(found, phase)]
    return "\n\n".join(parts)


def grid(found: Sequence[Result], phase: str) -> str:
    """Return the table of one phase: a row for each interpreter and variant."""
    names = [name for name in BENCHMARKS if any(one.benchmark == name for one in found)]
    head = " | ".join(("Python", "measured by", "what", *names, "geometric mean"))
    lines = [f"| {head} |", "|---|---|---|" + "--:|" * (len(names) + 1)]
    rows: dict[tuple[str, str, bool], dict[str, Result]] = {}
    for one in found:
        if one.phase == phase:
            rows.setdefault((one.minor, one.variant, one.branch), {})[one.benchmark] = one
    for (minor, variant, branch), row in rows.items():
        what = "-" if variant == AGAIN.name else "branches" if branch else "lines"
        cells = [cell(row[name]) if name in row else "-" for name in names]
        # A mean over fewer benchmarks than the others' would not be comparable.
        mean = f"**{means(row.values()):.3f}**" if len(row) == len(names) else "-"
        lines.append(f"| {' | '.join((minor, variant, what, *cells, mean))} |")
    return "\n".join(lines)


def cell(one: Result) -> str:
    """Return a ratio with its quartiles."""
    return f"{one.ratio:.3f} ({one.low:.2f}-{one.high:.2f})"


def means(row: Iterable[Result]) -> float:
    """Return the geometric mean of the ratios."""
    return statistics.geometric_mean([one.ratio for one in row])


def costs(found: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Return covattach's geometric means by version, and by core and what it measures."""
    figures: dict[str, dict[str, float]] = {}
    for minor in dict.fromkeys(one.minor for one in found):
        for branch in (False, True):
            row = [
                one
                for one in found
                if (one.minor, one.variant, one.branch, one.phase)
                == (minor, LINES.name, branch, "during")
            ]
            core = best_core(branch, (3, int(minor.partition(".")[2])))
            key = f"{core} {'branches' if branch else 'lines'}"
            if row:
                figures.setdefault(minor, {})[key] = round(means(row), 3)
    return figures


def record(found: Sequence[Result]) -> None:
    """Write down the figures that `start` tells."""
    COSTS.write_text(json.dumps(costs(found), indent=2) + "\n")


def write(text: str) -> None:
    """Write the tables into the documentation."""
    PAGE.write_text(put(text, PAGE.read_text()))
