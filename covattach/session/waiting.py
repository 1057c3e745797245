"""Deadlines for answers of an agent, and the messages for a Ctrl-C while we wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from covattach.deadline import COMMAND
from covattach.errors import NoTarget
from covattach.interrupts import Interrupted
from covattach.process.process import Process

STOPPED = 1.0  # seconds for a stopped process: it does what it was asked once it is continued
ENDING = 10.0  # seconds for the agent's thread to be gone after it has answered, at most
# Messages for a Ctrl-C while we wait for an answer: the state that it leaves behind.
ASKED = "process {pid} is measured on."
DUMPED = "process {pid} is measured on; whether from anew, its next dump tells."
MARKED = "process {pid} is measured on; `covattach status {pid}` tells in which window."
STOPPING = (
    "process {pid} was told to stop measuring; `covattach status {pid}` tells whether it has."
)


def patience(pid: int) -> float:
    """Return the deadline for an answer of process `pid`, as a time of `time.monotonic`."""
    deadline = COMMAND.current()
    return (deadline.within(STOPPED) if is_stopped(pid) else deadline).at


@contextlib.contextmanager
def interruptible(pid: int, words: str) -> Iterator[None]:
    """Raise Interrupted for a Ctrl-C in the body, with the message `words` on its consequences."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {words.format(pid=pid)}") from None


def is_stopped(pid: int) -> bool:
    """Whether process `pid` is stopped, as by SIGSTOP, so that its agent cannot answer."""
    try:
        return Process(pid).is_stopped
    except NoTarget:
        return False


def wait_for_end(process: Process, thread: int) -> None:
    """Wait until the agent's thread has ended, at most ENDING seconds: then no trace is left.

    `thread` is its ID in the target's PID namespace.
    """
    deadline = COMMAND.current().within(ENDING)
    while thread in process.inner_threads and not deadline.is_over:
        time.sleep(0.002)
