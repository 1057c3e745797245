"""A program that runs in our place: with our terminal, our signals, and its exit status as ours.

It is in our process group, so that the terminal's signals (Ctrl-C, Ctrl-Z, a hang-up) come to it as
they would without us.  Signals that somebody sends to us alone are sent on to it.  The kernel tells
the two apart: `si_code` is above zero for its own (sigaction(2)).
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

from covattach.errors import BadUsage

SENT_ON = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
}
WAITED_FOR = {*SENT_ON, signal.SIGCHLD}
OUR_PYTHONS = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them; a new program must not


class Program:
    """A started program; `status` is its wait status (waitpid(2)) once it has ended."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], ignored: set[signal.Signals]
    ) -> None:
        """Start the program; it ignores the signals in `ignored`, as we did when we were started.

        Signals to us are blocked from here on until `hear_again`.  Raises BadUsage.
        """
        self.status = 0
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, WAITED_FOR)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would leave us no exit status
        ours = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                environment,
                setsigmask=self.before,
                setsigdef=OUR_PYTHONS,
            )
        except (OSError, ValueError) as error:
            self.hear_again()
            raise cannot_start(command[0], error) from None
        finally:
            for number, handler in ours.items():
                signal.signal(number, handler)

    def wait(self) -> None:
        """Wait for the program's end; signals sent to us meanwhile are sent on to it."""
        while True:
            pid, self.status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return
            got = signal.sigwaitinfo(WAITED_FOR)
            if got.si_signo in SENT_ON and got.si_code <= 0:
                os.kill(self.pid, got.si_signo)

    def hear_again(self) -> None:
        """Unblock our signals; those that are pending were for the program, and are discarded."""
        while signal.sigtimedwait(WAITED_FOR, 0):
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    @property
    def exit_code(self) -> int:
        """The program's exit code; if a signal ended it, that number, negative."""
        return os.waitstatus_to_exitcode(self.status)


def cannot_start(name: str, error: Exception) -> BadUsage:
    """Return the error for a command `name` that could not be started."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if name.endswith(".py") or name.startswith("-"):
        return BadUsage(
            f"{name} is not a program ({reason}).",
            "Put the Python that is to run it in front: `covattach run -- python …`.",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return BadUsage(
            f"{name} does not say what is to run it ({reason}).",
            "Put that in front, as in `covattach run -- sh …`.",
        )
    return BadUsage(
        f"{name} cannot be started ({reason}).",
        "Write the command as you would without `covattach run --`.",
    )


def end_like(code: int) -> NoReturn:
    """End with this exit code; if it is negative, by that signal, without a core file."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        code = 128 - code  # it does not end us
    raise SystemExit(code)
