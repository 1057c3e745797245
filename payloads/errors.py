"""Exceptions that make a request to the agent fail, and `do_all`, for steps that may raise."""

from __future__ import annotations

import contextlib
from typing import Any


class BadRequest(Exception):
    """The request is not valid, or not possible in the present state of the session."""


class Refused(Exception):
    """The request is declined: another tool or client is in the way, or measuring was disabled."""


class NoCoverage(Exception):
    """No coverage works in this interpreter: neither the target's own nor that of covattach."""


class CannotAdopt(Exception):
    """Threads that already run cannot be given a trace function in this interpreter."""


# Values of the field "error" in a reply: the kind of exception that the request has ended with.
REFUSED, NO_COVERAGE = "refused", "no-coverage"
KINDS: dict[type[Exception], str] = {Refused: REFUSED, NoCoverage: NO_COVERAGE}
FAULT = "fault"  # any other exception: one that nobody has foreseen


def do_all(*steps: Any) -> None:
    """Call all `steps`, functions without arguments, in order, even after one has raised.

    Raises the last exception, with the earlier ones as its context.
    """
    with contextlib.ExitStack() as stack:
        for step in reversed(steps):
            stack.callback(step)
