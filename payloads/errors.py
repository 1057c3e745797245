"""The errors that a request can end with, and how several steps are done in spite of some."""

from __future__ import annotations

import contextlib
from typing import Any


class BadRequest(Exception):
    """The bytes that came over the socket are not a request."""


class Refused(Exception):
    """Measuring would break something that is already there."""


class NoCoverage(Exception):
    """Neither the target nor covattach has a coverage that fits."""


class CannotAdopt(Exception):
    """Threads that already run cannot be given a trace function in this interpreter."""


# By these a reply tells what has failed.
REFUSED, NO_COVERAGE = "refused", "no-coverage"
KINDS: dict[type[Exception], str] = {Refused: REFUSED, NoCoverage: NO_COVERAGE}
FAULT = "fault"  # any other exception: one that nobody has foreseen


def do_all(*steps: Any) -> None:
    """Call each of the steps, in turn, even after one has raised; raise that when all are done."""
    with contextlib.ExitStack() as stack:
        for step in reversed(steps):
            stack.callback(step)
