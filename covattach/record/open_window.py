"""Waiting while a window is open: for a command to end, or for the user to end it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from covattach import inherited, interrupts
from covattach.errors import BadUsage

ENDING = 5.0  # seconds for a command to end when it is told to


@dataclass(frozen=True)
class Outcome:
    """The end of a wait: its length in seconds, and the status of the command, if there was one.

    The status is negative for a signal, as that of Popen.
    """

    seconds: float
    status: int | None = None

    @property
    def words(self) -> str:
        """How the command ended, as the end of a sentence."""
        if self.status is None or self.status >= 0:
            return f"ended with status {self.status}"
        return f"was ended by {signal.Signals(-self.status).name}"


def check(command: list[str]) -> None:
    """Raise BadUsage if the program of `command` cannot be found; an empty command is none."""
    if command and shutil.which(command[0]) is None:
        raise BadUsage(
            f"There is no command {command[0]!r}.",
            "Check its name; a shell's own syntax needs a shell: `-- sh -c '…'`.",
        )


def run(command: list[str], to_stderr: bool) -> Outcome:
    """Run a command with our input and output, and wait for its end; raises BadUsage.

    A Ctrl-C is left to the command.  At a SIGTERM the command is terminated, and KeyboardInterrupt
    is raised.  With `to_stderr` its standard output goes to our standard error, because ours is for
    JSON.
    """
    began = time.monotonic()
    told: list[int] = []
    with interrupts.ignoring_ctrl_c():
        # An exception while the command is being started would leave it running, unknown to us.
        before = signal.signal(signal.SIGTERM, lambda signum, frame: told.append(signum))
        try:
            popen = subprocess.Popen(
                command, stdout=sys.stderr if to_stderr else None, env=inherited.given()
            )
        except OSError as error:
            signal.signal(signal.SIGTERM, before)
            raise BadUsage(
                f"{command[0]} cannot be run ({error.strerror}).", "Check the command."
            ) from None
        try:
            signal.signal(signal.SIGTERM, before)
            if told:
                raise KeyboardInterrupt
            status = popen.wait()
        finally:
            if popen.poll() is None:  # an exception is ending us
                popen.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    popen.wait(ENDING)
    return Outcome(time.monotonic() - began, status)


def wait(seconds: float | None, tell: Callable[[str], None]) -> Outcome:
    """Wait for `seconds`, or without that for Enter on a terminal; Ctrl-C and SIGTERM end it, too.

    `tell` is called with a sentence on how the wait will end.
    """
    began = time.monotonic()
    listened = [sys.stdin] if seconds is None and sys.stdin.isatty() else []
    with contextlib.suppress(KeyboardInterrupt):
        enter = "Enter or " if listened else ""
        tell(f"For {seconds:g} s …" if seconds else f"Until {enter}Ctrl-C …")
        ready, _, _ = select.select(listened, [], [], seconds)
        if ready:
            os.read(sys.stdin.fileno(), 4096)
    return Outcome(time.monotonic() - began)
