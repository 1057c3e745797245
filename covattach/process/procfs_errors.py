"""Errors for files of /proc that are missing, or unlike those of any honest process."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from covattach.errors import NoTarget, NotPossible
from covattach.process import plain_files


def nobody(pid: int) -> NoTarget:
    """Return the error for a PID that no process has, or no longer."""
    return NoTarget(f"There is no process {pid}.", "Look for the PID with `covattach ps`.")


def ended(pid: int) -> NoTarget:
    """Return the error for a process that has ended while we dealt with it."""
    return NoTarget(
        f"Process {pid} has ended meanwhile.", "Look for its successor with `covattach ps`."
    )


def leased(folder: Path, name: str) -> NoTarget:
    """Return the error for the file `name` in a /proc `folder` on which its owner has a lease."""
    return NoTarget(
        f"{folder}/{name} cannot be read now: its user has a lease on it (fcntl(2), F_SETLEASE).",
        "Look at what that user does: no honest program has a reason for that.",
    )


@contextlib.contextmanager
def ends_told() -> Iterator[None]:
    """Turn an OSError about a file of /proc into NoTarget if its process has just ended (proc(5)).

    Raises NotPossible if the process still runs, but the file cannot be read: the path of a very
    deep folder, say.  Other OSErrors are raised as they are.
    """
    try:
        yield
    except OSError as error:
        found = re.match(r"/proc/(\d+)/", str(error.filename))
        if found is None:
            raise
        if is_running(int(found[1])):
            raise untold(str(error.filename), error) from error
        raise ended(int(found[1])) from error


@contextlib.contextmanager
def made_sense() -> Iterator[None]:
    """Turn errors of our code that malformed data of a process has led to into CovattachErrors.

    Such data has passed all checks.  Of several processes, the others then have their turn.
    OSErrors are treated as in `ends_told`.
    """
    try:
        with ends_told():
            yield
    except (ArithmeticError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise not_understood(error) from error


def is_running(pid: int) -> bool:
    """Whether there is a process `pid` that has not ended: no zombie."""
    try:
        stat = plain_files.text(f"/proc/{pid}/stat")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def damaged(folder: Path, name: str, error: ValueError) -> NotPossible:
    """Return the error for the file `name` in the /proc `folder` that cannot be parsed."""
    return NotPossible(
        f"What {folder}/{name} says is not understood ({error}).",
        "Please report it, with that file and the version of the kernel: `uname -r`.",
    )


def untold(path: str, error: OSError) -> NotPossible:
    """Return the error for a file or link of /proc that cannot be read, and should be."""
    reason = error.strerror
    return NotPossible(f"{path} cannot be read ({reason}).", "Look at what that process does.")


def not_understood(error: Exception) -> NotPossible:
    """Return the error for malformed data of a process or its agent that has passed all checks."""
    details = "".join(traceback.format_exception(error))
    reason = f"{type(error).__name__}: {error}"
    return NotPossible(
        f"What the target says is not understood ({reason}).",
        "Look at what that process does; if it is nothing odd, report this with `covattach -v`.",
        details,
    )


def too_long(folder: Path, name: str) -> NotPossible:
    """Return the error for a file of /proc that is longer than that of any honest process."""
    return NotPossible(
        f"{folder}/{name} is longer than that of any program covattach was made for.",
        "Look at what that process does.",
    )
