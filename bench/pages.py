"""The page that the smaller benches write their tables into: docs/bench-costs.md."""

from __future__ import annotations

from bench.places import ROOT

PAGE = ROOT / "docs" / "bench-costs.md"


def write(section: str, name: str) -> None:
    """Write a section of the page, between its markers; raises ValueError if there are none."""
    page = PAGE.read_text()
    begin, end = (f"<!-- {name}: {word} -->" for word in ("begin", "end"))
    before, found, rest = page.partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise ValueError(f"there is no place for {name} in {PAGE.name}")
    PAGE.write_text(f"{before}{begin}\n\n{section}\n\n{end}{after}")
