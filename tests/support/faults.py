"""Faults that are caused in the middle of an attach, and how each is undone."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.kills import gdb_of
from support.targets import Target
from support.waiting import wait_for

ROUNDS = 47  # attaches for each kind and version: 2,021 in all
Undo = Callable[[], None]
Fault = Callable[[Target, "subprocess.Popen[str]"], Undo]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the function that causes it, and whether the target `ends` by it.

    `minors` are the Python versions that it is tried on.
    """

    name: str
    happen: Fault
    ends: bool = False
    minors: tuple[tuple[int, int], ...] = ((3, 9), (3, 11), (3, 13), (3, 14))

    @property
    def rounds(self) -> int:
        """How many attaches to make on each version."""
        return ROUNDS


def nothing() -> None:
    """Undo nothing: for a fault that needs no undoing."""


def told(expression: str) -> Fault:
    """Return a fault that the target causes itself, by evaluating `expression`."""

    def happen(target: Target, _: subprocess.Popen[str]) -> Undo:
        with contextlib.suppress(BrokenPipeError):
            target.tell(expression)
        return nothing

    return happen


def killed(number: signal.Signals, of_gdb: bool = False) -> Fault:
    """Return a fault: the signal `number` is sent to covattach, or to its gdb if it has one."""

    def happen(_: Target, popen: subprocess.Popen[str]) -> Undo:
        pid = gdb_of(popen.pid) if of_gdb else popen.pid
        if pid is not None and popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return nothing

    return happen


def suspended(target: Target, _: subprocess.Popen[str]) -> Undo:
    """Stop the target, as Ctrl-Z does; return the function that continues it."""
    os.kill(target.pid, signal.SIGSTOP)

    def go_on() -> None:
        os.kill(target.pid, signal.SIGCONT)
        wait_for(target.is_well, "the target to run")

    return go_on


def limited(what: int, value: Callable[[Target], int]) -> Fault:
    """Return a fault that lowers the target's resource limit `what` to `value` (prlimit(2))."""

    def happen(target: Target, _: subprocess.Popen[str]) -> Undo:
        before = resource.prlimit(target.pid, what)
        resource.prlimit(target.pid, what, (value(target), before[1]))

        def lift() -> None:
            resource.prlimit(target.pid, what, before)

        return lift

    return happen


def size_of(target: Target) -> int:
    """Return the size of a target's address space, in bytes."""
    return int(target.status("VmSize").split()[0]) * 1024


def descriptors_of(target: Target) -> int:
    """Return the lowest number above all of a target's descriptors."""
    return max(map(int, os.listdir(f"/proc/{target.pid}/fd"))) + 1


def filled(target: Target, _: subprocess.Popen[str]) -> Undo:
    """Fill the file systems that may hold session folders; return the function that makes room."""
    fillers = [
        Path(f"/proc/{target.pid}/root/{place}/fill") for place in ("tmp", "var/tmp", "dev/shm")
    ]
    for filler in fillers:
        with filler.open("wb", buffering=0) as file:
            fill(file.fileno())

    def make_room() -> None:
        for filler in fillers:
            filler.unlink()

    return make_room


def fill(descriptor: int) -> None:
    """Write to a file until its file system is full."""
    for size in (1 << 20, 4096, 1):
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            write_for_ever(descriptor, bytes(size))


def write_for_ever(descriptor: int, part: bytes) -> None:
    """Write `part` again and again, until OSError is raised."""
    while True:
        os.write(descriptor, part)


KINDS = (
    Kind("the target forks", told("fork()")),
    Kind("the target ends at once", told("os._exit(0)"), ends=True),
    Kind("the target finalises", told("go.set()"), ends=True),
    Kind("the target becomes another program", told("become_another()")),
    Kind("the target is suspended", suspended),
    Kind("covattach is killed", killed(signal.SIGKILL)),
    Kind("covattach is interrupted", killed(signal.SIGINT)),
    Kind("gdb is killed", killed(signal.SIGKILL, of_gdb=True), minors=((3, 9), (3, 11), (3, 13))),
    Kind("no memory", limited(resource.RLIMIT_AS, size_of)),
    Kind("no descriptor", limited(resource.RLIMIT_NOFILE, descriptors_of)),
    Kind("no disk", filled),
)
