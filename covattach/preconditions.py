"""What a target must have for an attach to succeed: looked at before anything is begun."""

from __future__ import annotations

from covattach.errors import NotNow
from covattach.target.process import Process

DESCRIPTORS = 8  # that the agent needs while it begins: its door, and a file to be imported


def check_state(process: Process) -> None:
    """Raise NotNow, or NoTarget, for a process in a state in which nothing can be begun."""
    state = process.state
    if state in "ZX":
        raise NotNow(
            f"Process {process.pid} has ended and only waits to be collected by its parent.",
            "Look for its successor with `covattach ps`.",
        )
    if process.tracer:
        raise NotNow(
            f"Process {process.pid} is being debugged by process {process.tracer}.",
            "Detach that debugger first.",
        )
    if state in "Tt":
        raise NotNow(
            f"Process {process.pid} is suspended, by Ctrl-Z or SIGSTOP.",
            f"Let it run first: `kill -CONT {process.pid}`.",
        )


def check_descriptors(process: Process) -> None:
    """Raise NotNow for a process that could not open what the agent needs."""
    used, limit = process.descriptors
    higher = limit + 100
    if used + DESCRIPTORS > limit:
        raise NotNow(
            f"Process {process.pid} has {used} files open, and may open {limit}: too few are left.",
            f"Let it open more: `prlimit --pid {process.pid} --nofile={higher}:`.",
        )


def check_folder(process: Process) -> None:
    """Raise NotNow where coverage could not be imported: it asks for the current directory."""
    if process.is_nowhere():
        raise NotNow(
            f"The working directory of process {process.pid} has been removed,"
            " and coverage cannot begin without one.",
            "Restart the program in a folder that there is.",
        )
