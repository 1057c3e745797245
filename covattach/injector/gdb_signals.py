"""Signals around gdb: those that arrive often, those that it must not get, and SIGCONT after it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from covattach.process.process import Process

# Signals of timers, and those that come as often as data: setitimer(2), timer_create(2), fcntl(2).
FREQUENT = {
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
}


def handles_timers(process: Process) -> bool:
    """Whether a process has handlers for signals that may arrive in any millisecond (FREQUENT)."""
    caught = int(process.status.get("SigCgt", "0"), 16)
    return any(caught >> number - 1 & 1 for number in FREQUENT)


def wake(pid: int) -> None:
    """Send SIGCONT to a process whose debugger was killed while it attached.

    To attach, a debugger has a SIGSTOP sent to each thread, and nobody takes it back if it dies too
    early.  One SIGCONT ends those in effect, and those still pending.  Whether there are any cannot
    be seen from outside.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Block the signals that ask a program to end, in the body, and in a process started there.

    gdb would take a SIGINT for one that stops the target, and end at a SIGTERM while it attaches.
    """
    ending = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
