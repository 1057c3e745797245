"""Faults: errors of ours in the target are told to the user with a traceback, and nowhere else."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import FAULT, KINDS, BadRequest
from ..interpreter import descriptors


def sources(error: BaseException, folder: str) -> dict[str, str]:
    """Return the sources of the payloads, in `folder`, that the traceback goes through.

    Their names, like `<covattach agent.agent>`, are none that `traceback` could open by itself.
    """
    found = {}
    here = error.__traceback__
    while here is not None:
        name = here.tb_frame.f_code.co_filename
        if name.startswith("<covattach "):
            try:
                found[name] = descriptors.text(folder + "/" + name[11:-1].replace(".", "/") + ".py")
            except OSError:
                found[name] = ""  # the folder has been removed: the line numbers must do
        here = here.tb_next
    return found


def text(error: BaseException, folder: str) -> str:
    """Return the whole traceback of `error`, with the lines of the payloads in `folder`.

    The lines are missing where the application keeps modules from being imported.
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
    """Return the traceback with its lines; raises any error of an import."""
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


def write(path: str, error: BaseException, folder: str) -> None:
    """Write the traceback of `error` to a file: nobody is there to raise to."""
    try:
        descriptors.write(path, [text(error, folder).encode(errors="replace")])
    except OSError:
        return  # the folder has been removed: somebody has given up on us


def both(first: BaseException, second: BaseException) -> BaseException:
    """Return the second of two faults, as one that was raised while the first was handled."""
    last = second
    while last.__context__ is not None and last.__context__ is not first:
        last = last.__context__
    last.__context__ = first
    return second


def words(error: BaseException, folder: str) -> str:
    """Return the text of a fault for the user; for a bad request, its message only.

    A client that sends garbage is to cost the target as little as possible.
    """
    if isinstance(error, BadRequest):
        return "BadRequest: " + str(error)
    return text(error, folder)


def reply(error: BaseException, folder: str) -> dict[str, Any]:
    """Return the agent's reply to a request that has failed."""
    kind = next((told for one, told in KINDS.items() if isinstance(error, one)), FAULT)
    python = ".".join(str(part) for part in sys.version_info[:2])
    return {
        "error": kind,
        "message": str(error),
        "traceback": words(error, folder),
        "python": python,
    }
