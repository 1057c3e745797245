"""The slowdown that `start` forecasts is the measured one."""

from __future__ import annotations

import re

import pytest

from bench.overhead_table import PAGE
from covattach.attach.slowdown import CTRACE, forecast, limits

ROW = re.compile(
    r"^\| covattach, ctrace \| (lines|branches) \| while measured \|.*\*\*([\d.]+)\*\* \|$", re.M
)


def measured() -> dict[tuple[int, int], dict[str, float]]:
    """Return the figures of the documentation's tables."""
    found = {}
    for section in re.split(r"^### Python 3\.", PAGE.read_text(), flags=re.M)[1:]:
        rows = {what: round(float(mean), 1) for what, mean in ROW.findall(section)}
        if rows:
            found[3, int(section.split()[0])] = rows
    return found


def test_figures_are_those_of_the_table() -> None:
    """The figures in the code are the geometric means in docs/bench-overhead.md."""
    assert measured() == CTRACE


@pytest.mark.parametrize(("version", "what"), [(v, w) for v in CTRACE for w in CTRACE[v]])
def test_figure_is_told(version: tuple[int, int], what: str) -> None:
    """The sentence has the figure, the kind of measuring it is for, and a remedy."""
    said = forecast(7, "ctrace", version, what == "branches")
    assert said.startswith("Until `covattach stop 7`, CPU-bound Python code takes about ")
    assert f"about {CTRACE[version][what]:g} times" in said
    assert what in said
    assert "`--source DIR`" in said
    assert "`--max-overhead 20`" in said
    assert ("without `--branch`" in said) is (what == "branches" and version >= (3, 12))


def test_nothing_is_advised_twice() -> None:
    """Nothing that the user has done already is advised."""
    taken = limits({"run:source": ["shop"]}, None)
    said = forecast(7, "ctrace", (3, 11), False, taken)
    assert "--source" not in said
    assert said.endswith(
        "start again with `--max-overhead 20` (above 20 %, measuring ends by itself)."
    )
    taken = limits({"run:include": ["*/shop/*"]}, 10.0)
    assert forecast(7, "ctrace", (3, 11), False, taken).endswith("Python 3.11).")


def test_no_figure_where_none_was_measured() -> None:
    """No figure is made up, and nothing is said where nothing is felt."""
    assert "several times" in forecast(7, "ctrace", (3, 14), False)
    assert forecast(7, "sysmon", (3, 14), True) == ""
