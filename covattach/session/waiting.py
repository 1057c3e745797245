"""Waiting for an agent: how long, and what a Ctrl-C meanwhile leaves behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from covattach.deadline import COMMAND
from covattach.errors import NoTarget
from covattach.interrupts import Interrupted
from covattach.process.process import Process

STOPPED = 1.0  # seconds for one that is stopped: it does what it is asked once it goes on
ENDING = 10.0  # seconds for the agent's thread to be gone after it has answered, at most
# What a Ctrl-C leaves behind while an answer is waited for.
ASKED = "process {pid} is measured on."
DUMPED = "process {pid} is measured on; whether from anew, its next dump tells."
MARKED = "process {pid} is measured on; `covattach status {pid}` tells in which window."
STOPPING = (
    "process {pid} was told to stop measuring; `covattach status {pid}` tells whether it has."
)


def patience(pid: int) -> float:
    """Return until when a process is waited for, as a time of `time.monotonic`."""
    deadline = COMMAND.current()
    return (deadline.within(STOPPED) if is_stopped(pid) else deadline).at


@contextlib.contextmanager
def interruptible(pid: int, words: str) -> Iterator[None]:
    """Ask a process in the body; a Ctrl-C meanwhile is raised with `words` on its consequences."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {words.format(pid=pid)}") from None


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped, so that its agent cannot answer."""
    try:
        return Process(pid).is_stopped
    except NoTarget:
        return False


def wait_for_end(process: Process, thread: int) -> None:
    """Wait until the agent's thread is gone, so that no trace is left when `stop` returns."""
    deadline = COMMAND.current().within(ENDING)
    while thread in process.inner_threads and not deadline.is_over:
        time.sleep(0.002)
