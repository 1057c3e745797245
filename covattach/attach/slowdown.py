"""The slow-down: a forecast of the target's loss of speed, told before it is touched.

With sysmon there is nothing to tell.  coverage's C tracer is called for every line, each time.
Only measuring less helps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from covattach.payloads.measure.core_choice import SLOW_ALWAYS, best_core

# How many times as long CPU-bound Python code takes under the C tracer: the geometric means, "while
# measured", of docs/bench-overhead.md, for lines and for branches.  A test compares them.
CTRACE: dict[tuple[int, int], dict[str, float]] = {
    (3, 9): {"lines": 2.1, "branches": 2.4},
    (3, 10): {"lines": 2.6, "branches": 3.0},
    (3, 11): {"lines": 4.0, "branches": 4.6},
    (3, 12): {"branches": 5.2},
    (3, 13): {"branches": 4.8},
}
SPARING = {
    "source": "with `--source DIR` (only that code)",
    "limit": "with `--max-overhead 20` (above 20 %, measuring ends by itself)",
}


def limits(settings: Mapping[str, Any], max_overhead: float | None) -> set[str]:
    """Return the ways of SPARING, by key, that the user takes already, in `settings` or options."""
    named = ("run:source", "run:source_pkgs", "run:source_dirs", "run:include")
    found = {"source"} if any(settings.get(name) for name in named) else set()
    return found | ({"limit"} if max_overhead else set())


def forecast(
    pid: int, core: str, version: tuple[int, int], branch: bool, taken: Collection[str] = ()
) -> str:
    """Return the forecast for a target with that core and version; "" for a slow-down not felt.

    Ways of SPARING whose keys are in `taken` are not advised.
    """
    if core not in SLOW_ALWAYS:
        return ""
    what = "branches" if branch else "lines"
    factor = CTRACE.get(version, {}).get(what)
    times = f"{factor:g} times" if factor else "several times"
    python = ".".join(map(str, version))
    said = (
        f"Until `covattach stop {pid}`, CPU-bound Python code takes about {times} as long"
        f" ({what}, coverage's core ctrace, Python {python})."
    )
    ways = [way for name, way in SPARING.items() if name not in taken]
    if branch and best_core(False, version) not in SLOW_ALWAYS:
        ways.insert(0, "without `--branch` (lines alone are hardly felt)")
    if not ways:
        return said
    return f"{said}\nTo slow it less, stop it, and start again {' or '.join(ways)}."
