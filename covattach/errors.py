"""Errors of covattach: each has a message of one sentence, one remedy, and an exit code."""

from __future__ import annotations


class CovattachError(Exception):
    """An error for the user, with its remedy."""

    exit_code = 1

    def __init__(self, message: str, remedy: str, details: str = "") -> None:
        """Keep the sentence, the remedy, and details that only `-v` shows."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details


class ReportFailed(CovattachError):
    """The data is there, but a report of it could not be made."""

    exit_code = 1


class BadUsage(CovattachError):
    """The request makes no sense, or would overwrite a file that is not ours."""

    exit_code = 2


class NoTarget(CovattachError):
    """There is no such process, or it is not a CPython that can be attached to."""

    exit_code = 3


class NotPossible(CovattachError):
    """The machine, the user's rights or the target do not allow it."""

    exit_code = 4


class NotNow(CovattachError):
    """The target's present state does not allow it: stopped, traced, ending."""

    exit_code = 5


class NoSafePoint(CovattachError):
    """No safe point came within the time-out; the target is untouched."""

    exit_code = 6


class PayloadFailed(CovattachError):
    """Code that we started in the target raised an exception; its traceback is always shown."""

    exit_code = 7

    def __init__(self, message: str, remedy: str, traceback: str) -> None:
        """Keep the traceback from the target: it is shown without `-v` too."""
        super().__init__(message, remedy)
        self.traceback = traceback


class NoSession(CovattachError):
    """The target is not being measured."""

    exit_code = 8
