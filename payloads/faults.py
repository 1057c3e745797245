"""Faults: what goes wrong in the target is told to the user with its traceback, and only there."""

from __future__ import annotations

import sys
from typing import Any

KINDS = {"Refused": "refused", "NoCoverage": "no-coverage"}


def sources(error: BaseException, folder: str) -> dict[str, str]:
    """Return the sources of the payloads, in `folder`, that the traceback goes through.

    Their names, like `<covattach agent>`, are none that `traceback` could open by itself.
    """
    found = {}
    here = error.__traceback__
    while here is not None:
        name = here.tb_frame.f_code.co_filename
        if name.startswith("<covattach "):
            try:
                with open(folder + "/" + name[11:-1] + ".py", encoding="utf-8") as file:
                    found[name] = file.read()
            except OSError:
                found[name] = ""  # the folder has been removed: the line numbers must do
        here = here.tb_next
    return found


def text(error: BaseException, folder: str) -> str:
    """Return the whole traceback of `error`, with the lines of the payloads in `folder`.

    Without them where the application keeps from being imported what finds them.
    """
    try:
        return with_lines(error, folder)
    except Exception:
        return bare(error)


def bare(error: BaseException) -> str:
    """Return a traceback without the lines, for which nothing is imported."""
    found = []
    here = error.__traceback__
    while here is not None:
        code = here.tb_frame.f_code
        found.append(f"  File {code.co_filename!r}, line {here.tb_lineno}, in {code.co_name}\n")
        here = here.tb_next
    return "".join(found) + f"{type(error).__name__}: {error}\n"


def with_lines(error: BaseException, folder: str) -> str:
    """Do what `text` does; raises whatever importing raises."""
    import linecache
    import traceback

    lent = sources(error, folder)
    for name, source in lent.items():
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    finally:
        for name in lent:
            linecache.cache.pop(name, None)


def words(error: BaseException, folder: str) -> str:
    """Return what the user is shown of a fault; of a request that is none, only what was wrong.

    Who sends garbage is to cost the target as little as possible.
    """
    if type(error).__name__ == "BadRequest":
        return "BadRequest: " + str(error)
    return text(error, folder)


def reply(error: BaseException, folder: str) -> dict[str, Any]:
    """Return what the agent answers instead of a result."""
    kind = KINDS.get(type(error).__name__, "fault")
    python = ".".join(str(part) for part in sys.version_info[:2])
    return {
        "error": kind,
        "message": str(error),
        "traceback": words(error, folder),
        "python": python,
    }
