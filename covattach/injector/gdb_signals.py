"""Signals around a debugger: those it is not to see, and the one that makes up for its death."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from covattach.process.process import Process

# What timers send, and what comes as often as data does: setitimer(2), timer_create(2), fcntl(2).
FREQUENT = {
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
}


def handles_timers(process: Process) -> bool:
    """Whether a process catches signals that are likely to come in any millisecond."""
    caught = int(process.status.get("SigCgt", "0"), 16)
    return any(caught >> number - 1 & 1 for number in FREQUENT)


def wake(pid: int) -> None:
    """Let a process run whose debugger was killed.

    To attach, a debugger has a SIGSTOP sent to each thread, and nobody takes it back if it dies too
    early.  One SIGCONT is enough for stops that are still to come, those that a thread has in hand,
    and those in effect.  Whether there are any cannot be seen from outside.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Block the signals that ask a program to end, here and in a process that is started now.

    gdb would take a SIGINT for one that stops the target, and end at a SIGTERM while it attaches.
    """
    ending = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
