"""Errors for the user about an agent: none is there, it does not reply, or it reports a failure."""

from __future__ import annotations

from typing import Any

from covattach.errors import NoSession, NotNow, NotPossible, PayloadFailed
from covattach.payloads.errors import NO_COVERAGE, REFUSED
from covattach.process.process import Process


def no_session(pid: int) -> NoSession:
    """Return the error for a process that is not measured."""
    return NoSession(
        f"Process {pid} is not being measured.", f"Begin with `covattach start {pid}`."
    )


def silent(process: Process) -> NotNow:
    """Return the error for a target whose agent is there, but does not answer."""
    if process.is_stopped:
        return NotNow(
            f"Process {process.pid} is suspended, by Ctrl-Z or SIGSTOP, and so is its measuring.",
            f"Let it run first: `kill -CONT {process.pid}`.",
        )
    return NotNow(
        f"Process {process.pid} is measured, but does not answer in time.",
        "It is very busy, or holds the GIL in C code: try again, or with `--timeout 2m`.",
    )


def reported(header: dict[str, Any]) -> PayloadFailed | NotPossible | NotNow:
    """Return the error for the failure that an agent's reply reports in its `header`."""
    kind, message = header["error"], str(header.get("message", ""))
    python = str(header.get("python", "X.Y"))
    if kind == NO_COVERAGE:
        return NotPossible(
            f"The target cannot be measured: {message}.",
            f"Get one that fits: `covattach provision --python {python}`, then start again.",
        )
    if kind == REFUSED:
        return NotNow(f"The target is not touched: {message}.", "End that first, then start again.")
    return payload_failed(str(header.get("traceback", "")))


def payload_failed(traceback: str) -> PayloadFailed:
    """Return the error for a payload that failed in the target; the user is shown `traceback`."""
    return PayloadFailed(
        "The payload failed in the target, and was undone.",
        "The traceback shows why; please report it if it is ours.",
        traceback,
    )
