"""The tables of `bench/overhead.py`, and their page, docs/bench-overhead.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.places import ROOT
from bench.variants import BENCHMARKS, Variant

PAGE = ROOT / "docs" / "bench-overhead.md"
PHASES = {"during": "while measured", "after": "after `stop`"}
NOTHING = "nothing measured"


@dataclass(frozen=True)
class Result:
    """The CPU time of a variant in a phase (one of PHASES), as a multiple of that without coverage.

    `low` and `high` are the quartiles of single samples.  `lines` is how many lines were in the
    data, and `core` is the core that covattach took.  With a `fault` the numbers mean nothing.
    """

    benchmark: str
    variant: Variant
    phase: str
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    lines: int = 0
    core: str = ""
    fault: str = ""

    @property
    def outcome(self) -> str:
        """Why there is no figure, or "": a variant that has measured nothing has none."""
        if self.fault:
            return "failed"
        return NOTHING if self.variant.measures and not self.lines else ""

    @property
    def figure(self) -> str:
        """The text of the table's cell."""
        return self.outcome or f"{self.ratio:.3f} ({self.low:.2f} to {self.high:.2f})"

    @property
    def sentence(self) -> str:
        """The whole result, as a line of text."""
        name = f"{self.benchmark}, {self.variant.name}, {self.variant.what}, {PHASES[self.phase]}"
        lines = f", {self.lines} lines" if self.lines else ""
        return f"{name}: {self.figure}{lines}"


def table(found: Sequence[Result]) -> str:
    """Return the table of one interpreter, in Markdown: a row for each variant and phase."""
    names = [name for name in BENCHMARKS if any(one.benchmark == name for one in found)]
    head = " | ".join(("measured by", "what", "when", *names, "geometric mean"))
    lines = [f"| {head} |", "|---|---|---|" + "--:|" * (len(names) + 1)]
    rows: dict[tuple[str, Variant], dict[str, Result]] = {}
    for phase in PHASES:
        for one in found:
            if one.phase == phase:
                rows.setdefault((phase, one.variant), {})[one.benchmark] = one
    for (phase, variant), row in rows.items():
        core = next((f", {one.core}" for one in row.values() if one.core), "")
        cells = [row[name].figure if name in row else "" for name in names]
        words = (variant.name + core, variant.what, PHASES[phase], *cells, mean(row, names))
        lines.append(f"| {' | '.join(words)} |")
    return "\n".join(lines)


def mean(row: dict[str, Result], names: Sequence[str]) -> str:
    """Return the geometric mean over all benchmarks, or "-" if one of them has no figure."""
    ratios = [row[name].ratio for name in names if name in row and not row[name].outcome]
    if len(ratios) < len(names):
        return "-"
    return f"**{statistics.geometric_mean(ratios):.3f}**"


def put(section: str, minor: str, page: str) -> str:
    """Return the page with the section of one interpreter between its markers."""
    begin, end = (f"<!-- measured on {minor}: {word} -->" for word in ("begin", "end"))
    before, found, rest = page.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise ValueError(f"there is no place for {minor} in {PAGE.name}")
    return f"{before}{begin}\n\n{section}\n\n{end}{after}"


def write(section: str, minor: str) -> None:
    """Write the section of one version into docs/bench-overhead.md; the others stay."""
    PAGE.write_text(put(section, minor, PAGE.read_text()))
