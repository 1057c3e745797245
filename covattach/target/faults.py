"""Errors for files of /proc that are not what they are for any honest process."""

from __future__ import annotations

from pathlib import Path

from covattach.errors import NoTarget, NotPossible


def nobody(pid: int) -> NoTarget:
    """Return the error for a process that is not there, or not any more."""
    return NoTarget(f"There is no process {pid}.", "Look for the PID with `covattach ps`.")


def damaged(folder: Path, name: str, error: ValueError) -> NotPossible:
    """Return the error for a file of /proc that says something that we do not know."""
    return NotPossible(
        f"What {folder}/{name} says is not understood ({error}).",
        "Please report it, with that file and the version of the kernel: `uname -r`.",
    )


def too_long(folder: Path, name: str) -> NotPossible:
    """Return the error for a file of /proc that is longer than that of any honest process."""
    return NotPossible(
        f"{folder}/{name} is longer than that of any program covattach was made for.",
        "Look at what that process does.",
    )
