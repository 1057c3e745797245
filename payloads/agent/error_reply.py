"""Exceptions in the payloads as text: for the reply to a client, or for a file."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import FAULT, KINDS, BadRequest
from ..interpreter import descriptors


def sources(error: BaseException, folder: str) -> dict[str, str]:
    """Return the source texts of the payloads in the traceback of `error`, by their file names.

    `folder` has the payloads.  Their file names, like `<covattach agent.agent>`, are none that
    `traceback` could read.
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
    """Return the traceback of `error` without source lines, and without importing anything."""
    found = []
    here = error.__traceback__
    while here is not None:
        code = here.tb_frame.f_code
        found.append(f"  File {code.co_filename!r}, line {here.tb_lineno}, in {code.co_name}\n")
        here = here.tb_next
    return "".join(found) + f"{type(error).__name__}: {error}\n"


def with_lines(error: BaseException, folder: str) -> str:
    """Return the traceback of `error` with source lines; raises the errors of its imports.

    `folder` has the payloads.
    """
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
    """Write the traceback of `error` to the file at `path`, where no client waits for a reply.

    `folder` has the payloads, for source lines.
    """
    try:
        descriptors.write(path, [text(error, folder).encode(errors="replace")])
    except OSError:
        return  # covattach has given up, and removed the folder


def both(first: BaseException, second: BaseException) -> BaseException:
    """Return `second` with `first` as its context, so that one traceback shows both exceptions."""
    last = second
    while last.__context__ is not None and last.__context__ is not first:
        last = last.__context__
    last.__context__ = first
    return second


def words(error: BaseException, folder: str) -> str:
    """Return the text of `error` for the user: its traceback, or only the message of a BadRequest.

    A client that sends garbage is to cost the target as little as possible.
    """
    if isinstance(error, BadRequest):
        return "BadRequest: " + str(error)
    return text(error, folder)


def reply(error: BaseException, folder: str) -> dict[str, Any]:
    """Return the agent's reply to a request that has failed with `error`, as a header."""
    kind = next((told for one, told in KINDS.items() if isinstance(error, one)), FAULT)
    python = ".".join(str(part) for part in sys.version_info[:2])
    return {
        "error": kind,
        "message": str(error),
        "traceback": words(error, folder),
        "python": python,
    }
