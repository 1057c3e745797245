"""SIGTERM, where the application leaves it to the default: a last snapshot is saved before the end.

A handler in Python runs in the main thread, between two instructions.  A thread that is about to
wait in C, for a lock say, would never get there, and the process would not end.  So the signal is
taken by faulthandler, whose handler is C, needs no thread of ours, and writes a traceback to a
descriptor (Modules/faulthandler.c).  The text is of no interest: the descriptor is a socket, which
wakes the agent.  Python's own table of signals goes on saying `default`, as is true for the
application.

That handler is shared with the application, which may register it for the same signal.  As long as
the registration is ours, faulthandler refers to our file, and nobody else does.

A child that C code forks has the same handler and the same socket until it is another program.  The
kernel notes who has written (unix(7), SO_PASSCRED), and a signal meant for a child is sent on to
it.  One that then goes on with our handler, which cannot end it, is killed a second later.
"""

from __future__ import annotations

import _signal
import _socket
import os
import struct
import sys
import time
from functools import partial
from weakref import ref

from ..interpreter import atomic, capi, descriptors
from ..interpreter.descriptors import Socket
from . import signal_handler

TRIES = 10  # to send a signal on to a child that is about to be another program
LAST_WAIT = 1.0  # seconds for such a child to be one, or to end
SO_PASSCRED, SCM_CREDENTIALS = 16, 2  # include/linux/socket.h


class Sigterm:
    """The signal from `install` to `uninstall`; `receiver` is ready to be read when it has come."""

    def __init__(self) -> None:
        self.receiver: Socket | None = None
        self.sender: Socket | None = None
        self.has_come = False
        self.children: dict[int, Child] = {}
        self.output: ref[Output] | None = None
        self.handler: int | None = None

    def install(self) -> bool:
        """Take the signal if the application has not; tell whether it is taken."""
        self.has_come = False
        if not signal_handler.is_free():
            return False
        self.renew()
        return True

    def renew(self) -> None:
        """Have a socket, also where the application has closed it; raises OSError."""
        self.close()
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        receiver, sender = _socket.socketpair(_socket.AF_UNIX, kind)
        self.receiver = Socket(receiver, descriptors.far())
        self.sender = Socket(sender, descriptors.far())
        self.receiver.checked().setsockopt(_socket.SOL_SOCKET, SO_PASSCRED, 1)
        self.catch()

    def catch(self) -> None:
        """Have faulthandler catch it; also again, after `release`.  Not if somebody else does.

        Nor if the application has closed our socket.
        """
        if self.sender is not None and self.sender.is_ours() and signal_handler.is_free():
            import faulthandler

            output = Output(self.sender.number)
            faulthandler.register(_signal.SIGTERM, output, all_threads=False)
            self.output = ref(output)
            self.handler = signal_handler.handler()

    def is_registered(self) -> bool:
        """Tell whether the registration at faulthandler is ours."""
        return self.output is not None and self.output() is not None

    def is_handling(self) -> bool:
        """Tell whether faulthandler's handler is the one in force, as far as can be known."""
        if (
            _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL
            or not signal_handler.is_caught_in_c()
        ):
            return False
        now = signal_handler.handler()
        if self.handler is None:
            return now is None or signal_handler.is_of_interpreter(now)
        return now == self.handler

    def tend(self) -> None:
        """Catch it again if the application has left it to the default anew."""
        if self.sender is not None and signal_handler.is_free():
            self.unregister()
            self.catch()

    def release(self) -> None:
        """Leave it to the default, unless the application has taken it meanwhile: that stays so."""
        if self.is_registered() and self.is_handling():
            self.unregister()

    def unregister(self) -> None:
        """Take our registration back; any other handler of the signal goes on."""
        module = sys.modules.get("faulthandler")
        if module is None or not self.is_registered():
            return
        take_back = partial(module.unregister, _signal.SIGTERM)
        if signal_handler.is_free() or self.is_handling():
            take_back()
        elif capi.is_there():
            # It makes the default the handler: so theirs is put back in the same breath.
            theirs = capi.array("P", signal_handler.SIGACTION)()
            place = capi.where(theirs)
            signal_handler.sigaction()(_signal.SIGTERM, None, place)
            atomic.at_once(
                take_back, partial(signal_handler.sigaction(), _signal.SIGTERM, place, None)
            )

    def uninstall(self) -> None:
        """Undo everything; does nothing the second time."""
        self.unregister()
        self.close()

    def close(self) -> None:
        """Close the socket."""
        for end in (self.receiver, self.sender):
            if end is not None:
                end.close()
        self.receiver = self.sender = None

    def is_for_us(self) -> bool:
        """Read the PIDs of those that got the signal; tell whether this process ever did."""
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
                _, notes, _, _ = receiver.checked().recvmsg(4096, _socket.CMSG_SPACE(12))
            except OSError:
                return found
            for level, kind, data in notes:
                if (level, kind) == (_socket.SOL_SOCKET, SCM_CREDENTIALS):
                    found.add(struct.unpack("3i", data)[0])
        return found

    def send_on(self, pid: int) -> None:
        """Send the signal to a child of ours that has just caught it by our handler."""
        child = self.children.setdefault(pid, Child(pid))
        child.is_to_end = True
        if child.is_late():
            child.signal(_signal.SIGKILL)
        elif child.tries < TRIES:
            child.signal(_signal.SIGTERM)

    def end_children(self) -> None:
        """Try once more to end those that have caught our last signal too, now that it is late."""
        for pid, child in list(self.children.items()):
            if child.is_late():
                if child.is_to_end and child.tries <= TRIES:
                    child.signal(_signal.SIGTERM)
                else:
                    del self.children[pid]

    def patience(self) -> float:
        """Return for how many seconds no child is to be looked at; infinite without one."""
        return LAST_WAIT if self.children else float("inf")


class Child:
    """A process that C code has forked from this one, and that has been told to end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.tries = 0
        self.is_to_end = True  # as it has caught the last signal by our handler
        self.began = time.monotonic()

    def is_late(self) -> bool:
        """Tell whether it has had time enough to be another program."""
        return time.monotonic() - self.began >= LAST_WAIT

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended or is another user now."""
        self.tries += 1
        self.is_to_end = False
        try:
            os.kill(self.pid, number)
        except OSError:
            return


class Output:
    """The file that faulthandler writes to, and alone refers to."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor

    def flush(self) -> None:
        """Do nothing: it is asked for this once, when it is registered."""


def die() -> None:
    """End by the signal, as this process would have without us."""
    os.kill(os.getpid(), _signal.SIGTERM)
