"""The facts of a session that `status` and other replies tell its users."""

from __future__ import annotations

from typing import Any


def facts_of(session: Any) -> dict[str, Any]:
    """Return a session's facts: of its measurement, windows, overhead and tree."""
    measurement = session.measurement
    if measurement is None:
        return {"measuring": False}
    windows, overhead = measurement.snapshots.windows, session.overhead
    facts: dict[str, Any] = {"measuring": True, **measurement.facts(), "since": session.since}
    facts.update(window=windows.name, windows=windows.names)
    if overhead is not None:
        facts.update(overhead=round(overhead.percent, 1), max_overhead=overhead.limit)
    facts["off"] = session.disabled_reason
    if session.tree is not None:
        facts.update(tree=session.tree.folder, role=session.tree.role)
    more = [words for words in (session.disabled_reason, session.autosave.fault) if words]
    facts["warnings"] = [*facts["warnings"], *more]
    return facts
