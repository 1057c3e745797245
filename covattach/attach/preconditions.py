"""Preconditions that a target must meet, checked before anything is begun."""

from __future__ import annotations

import os
import time

from covattach.errors import NotNow
from covattach.process.identity import check_whole
from covattach.process.process import Process, may_not

MOMENT = 1.0  # seconds for a sampling profiler, such as py-spy, to let go of the process
DESCRIPTORS = 8  # file descriptors for the agent's beginning: its socket, and imports


def check_state(process: Process, patience: float = MOMENT) -> None:
    """Raise NotNow, or NoTarget, for a process in a state in which nothing can be begun.

    A tracer may be gone in a moment: the state is read again for up to `patience` seconds.
    """
    until = time.monotonic() + patience
    while True:
        status = process.status
        state, tracer = status["State"][0], int(status["TracerPid"])
        if (not tracer and state != "t") or time.monotonic() > until:
            break
        time.sleep(0.001)
    if state in "ZX":
        raise NotNow(
            f"Process {process.pid} has ended and only waits to be collected by its parent.",
            "Look for its successor with `covattach ps`.",
        )
    if tracer:
        raise NotNow(
            f"Process {process.pid} is being debugged by process {tracer}.",
            "Detach that debugger first.",
        )
    if state in "Tt":
        raise NotNow(
            f"Process {process.pid} is suspended, by Ctrl-Z or SIGSTOP.",
            f"Let it run first: `kill -CONT {process.pid}`.",
        )


def check_rights(process: Process) -> None:
    """Raise NotNow, NotPossible for a process that has more rights than its user has.

    Capabilities in another user namespace do not count: they are over nothing of ours.
    """
    try:
        is_far = not process.shares("user")
    except OSError:
        process.read_start_time()  # raises NoTarget if it has ended
        raise
    check_whole(process.pid, process.standing, is_far)


def check_descriptors(process: Process) -> None:
    """Raise NotNow for a process without enough file descriptors left for the agent."""
    used, limit = process.descriptors
    higher = limit + 100
    if used + DESCRIPTORS > limit:
        raise NotNow(
            f"Process {process.pid} has {used} files open, and may open {limit}: too few are left.",
            f"Let it open more: `prlimit --pid {process.pid} --nofile={higher}:`.",
        )


def check_folder(process: Process) -> None:
    """Raise NotNow if the working directory is gone: coverage needs one to be imported."""
    if is_nowhere(process):
        raise NotNow(
            f"The working directory of process {process.pid} has been removed,"
            " and coverage cannot begin without one.",
            "Restart the program in a folder that there is.",
        )


def is_nowhere(process: Process) -> bool:
    """Whether the working directory of `process` has been removed; raises NotPossible."""
    try:
        return os.stat(process.proc / "cwd").st_nlink == 0
    except PermissionError:
        raise may_not(process) from None
    except OSError:
        process.read_start_time()
        raise
