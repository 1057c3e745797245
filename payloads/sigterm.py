"""SIGTERM, where the application leaves it to the default: a last snapshot is saved before the end.

A handler in Python runs in the main thread, between two instructions; one that is about to wait in
C, for a lock say, would never get there, and the process would not end.  So the signal is taken by
faulthandler, whose handler is C, needs no thread of ours, and writes a traceback to a descriptor
(Modules/faulthandler.c).  What it writes is of no interest: the descriptor is a socket, which wakes
the agent.  Python's own table of signals goes on saying what is true for the application: default.

A child that C code forks has the same handler and the same socket until it is another program.  The
kernel notes who has written (unix(7), SO_PASSCRED): what was meant for a child is sent on to it.
"""

from __future__ import annotations

import _signal
import _socket
import os
import struct
import sys
from typing import Any

TRIES = 10  # to send a signal on to a child that is about to be another program
SO_PASSCRED, SCM_CREDENTIALS = 16, 2  # include/linux/socket.h


class Sigterm:
    """The signal from `take` to `give_back`; `receiver` is ready to be read when it has come."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.sender: Any = None
        self.has_come = False
        self.sent_on: dict[int, int] = {}

    def take(self) -> bool:
        """Take the signal if the application has not; tell whether it is taken."""
        self.has_come = False
        if _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL or is_caught_in_c():
            return False
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        self.receiver, self.sender = _socket.socketpair(_socket.AF_UNIX, kind)
        self.receiver.setsockopt(_socket.SOL_SOCKET, SO_PASSCRED, 1)
        self.catch()
        return True

    def catch(self) -> None:
        """Have faulthandler catch it; also again, after `let`."""
        if self.sender is not None:
            import faulthandler

            faulthandler.register(_signal.SIGTERM, self.sender.fileno(), all_threads=False)

    def let(self) -> None:
        """Leave it to the default, unless the application has taken it meanwhile: that stays so."""
        free = _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL
        if self.sender is not None and free and "faulthandler" in sys.modules:
            sys.modules["faulthandler"].unregister(_signal.SIGTERM)

    def give_back(self) -> None:
        """Make everything what it was; does nothing the second time."""
        self.let()
        for end in (self.receiver, self.sender):
            if end is not None:
                end.close()
        self.receiver = self.sender = None

    def is_for_us(self) -> bool:
        """Read what has been written; tell whether this process has got the signal, ever."""
        for pid in self.writers():
            if pid == os.getpid():
                self.has_come = True
            else:
                self.send_on(pid)
        return self.has_come

    def writers(self) -> set[int]:
        """Return the processes in which the signal has come since the last look."""
        found: set[int] = set()
        receiver = self.receiver
        while receiver is not None:
            try:
                _, notes, _, _ = receiver.recvmsg(4096, _socket.CMSG_SPACE(12))
            except OSError:
                return found
            for level, kind, data in notes:
                if (level, kind) == (_socket.SOL_SOCKET, SCM_CREDENTIALS):
                    found.add(struct.unpack("3i", data)[0])
        return found

    def send_on(self, pid: int) -> None:
        """Send the signal to a child of ours that has caught it by our handler."""
        self.sent_on[pid] = self.sent_on.get(pid, 0) + 1
        try:
            if self.sent_on[pid] <= TRIES:
                os.kill(pid, _signal.SIGTERM)
        except OSError:
            return  # it has ended, or is another user now


def is_caught_in_c() -> bool:
    """Tell whether C code handles the signal, of which Python does not know."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        caught = file.read().partition("SigCgt:")[2].split()[0]
    return bool(int(caught, 16) >> (_signal.SIGTERM - 1) & 1)


def die() -> None:
    """End by the signal, as this process would have without us."""
    os.kill(os.getpid(), _signal.SIGTERM)
