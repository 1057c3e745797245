"""The slow-down: a forecast of the target's loss of speed, told before it is touched.

With sysmon there is nothing to tell.  coverage's C tracer is called for every line, each time.
Only measuring less helps.
"""

from __future__ import annotations

# How many times as long CPU-bound Python code takes under the C tracer: the geometric means, "while
# measured", of docs/bench-overhead.md, for lines and for branches.  A test compares them.
CTRACE: dict[tuple[int, int], dict[str, float]] = {
    (3, 9): {"lines": 2.1, "branches": 2.4},
    (3, 10): {"lines": 2.6, "branches": 3.0},
    (3, 11): {"lines": 4.0, "branches": 4.6},
    (3, 12): {"branches": 5.2},
    (3, 13): {"branches": 4.8},
}
REMEDY = (
    "To slow it less, stop it, and start again with `--source DIR` (only that code) or with"
    " `--max-overhead 20` (above 20 %, measuring ends by itself)."
)


def forecast(pid: int, core: str, version: tuple[int, int], branch: bool) -> str:
    """Return the forecast for a target with that core and version; "" for a slow-down not felt."""
    if core != "ctrace":
        return ""
    what = "branches" if branch else "lines"
    factor = CTRACE.get(version, {}).get(what)
    times = f"{factor:g} times" if factor else "several times"
    python = ".".join(map(str, version))
    return (
        f"Until `covattach stop {pid}`, CPU-bound Python code takes about {times} as long"
        f" ({what}, coverage's core ctrace, Python {python}).\n{REMEDY}"
    )
