"""Faults: what goes wrong in the target is told to the user with its traceback, and only there."""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import Any

# The payloads' files have names that cannot be opened; a traceback shows their lines all the same.
SOURCES: dict[str, str] = {}
KINDS = {"Refused": "refused", "NoCoverage": "no-coverage"}


def remember_sources() -> None:
    """Keep the payloads' sources; called while `launch.load` has them in `sys.modules`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("_covattach.") and hasattr(module, "SOURCE"):
            SOURCES[f"<covattach {name.partition('.')[2]}>"] = module.SOURCE


def text(error: BaseException) -> str:
    """Return the whole traceback of `error`, with our source lines in it."""
    for name, source in SOURCES.items():
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    finally:
        for name in SOURCES:
            linecache.cache.pop(name, None)


def reply(error: BaseException) -> dict[str, Any]:
    """Return what the agent answers instead of a result."""
    kind = KINDS.get(type(error).__name__, "fault")
    python = ".".join(str(part) for part in sys.version_info[:2])
    return {"error": kind, "message": str(error), "traceback": text(error), "python": python}
