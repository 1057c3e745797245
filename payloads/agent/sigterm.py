"""Saves a last snapshot at SIGTERM, where the application leaves the signal to its default action.

A handler in Python runs in the main thread, between two instructions.  A thread that is about to
wait in C, for a lock say, would never get there, and the process would not end.  So faulthandler
catches the signal: its handler is C, needs no thread of ours, and writes a traceback to a
descriptor (Modules/faulthandler.c).  The descriptor is a socket, which wakes the agent; the text is
ignored.  Python's own table of signals goes on saying `default`, as is true for the application.

The application may register the same signal with faulthandler, which knows one registration only.
As long as that is ours, faulthandler refers to our file object, and nobody else does.

A child that C code forks has the same handler and the same socket until it is another program.  The
kernel notes the PID of the writer (unix(7), SO_PASSCRED), and a signal meant for a child is sent on
to it.  A child that goes on with our handler, which cannot end it, is killed a second later.
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

TRIES = 10  # how often a signal is sent on to a child that is about to be another program
LAST_WAIT = 1.0  # seconds for such a child to be one, or to end
SO_PASSCRED, SCM_CREDENTIALS = 16, 2  # include/linux/socket.h


class Sigterm:
    """Catches SIGTERM from `install` to `uninstall`; `receiver` is readable once it has come."""

    def __init__(self) -> None:
        self.receiver: Socket | None = None
        self.sender: Socket | None = None
        self.has_come = False
        self.children: dict[int, Child] = {}
        self.output: ref[Output] | None = None
        self.handler: int | None = None

    def install(self) -> bool:
        """Catch SIGTERM if it has its default action, and tell whether it had; raises OSError."""
        self.has_come = False
        if not signal_handler.is_free():
            return False
        self.renew()
        return True

    def renew(self) -> None:
        """Make a new pair of sockets, and catch SIGTERM with it; raises OSError."""
        self.close()
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        receiver, sender = _socket.socketpair(_socket.AF_UNIX, kind)
        self.receiver = Socket(receiver, descriptors.lowest_own_number())
        self.sender = Socket(sender, descriptors.lowest_own_number())
        self.receiver.checked().setsockopt(_socket.SOL_SOCKET, SO_PASSCRED, 1)
        self.catch()

    def catch(self) -> None:
        """Register SIGTERM with faulthandler, if it has its default action.

        Also called after `restore_default`.  Does nothing if the application has closed our socket.
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

    def maintain(self) -> None:
        """Catch SIGTERM again, if the application has set it back to its default action."""
        if self.sender is not None and signal_handler.is_free():
            self.unregister()
            self.catch()

    def restore_default(self) -> None:
        """Restore SIGTERM's default action, unless the application has set a handler meanwhile."""
        if self.is_registered() and self.is_handling():
            self.unregister()

    def unregister(self) -> None:
        """Remove our registration from faulthandler; any other handler of SIGTERM stays."""
        module = sys.modules.get("faulthandler")
        if module is None or not self.is_registered():
            return
        take_back = partial(module.unregister, _signal.SIGTERM)
        if signal_handler.is_free() or self.is_handling():
            take_back()
        elif capi.is_there():
            # faulthandler restores the default action, so theirs is set again without a break.
            theirs = capi.array("P", signal_handler.SIGACTION)()
            place = capi.address_of(theirs)
            signal_handler.sigaction()(_signal.SIGTERM, None, place)
            atomic.at_once(
                take_back, partial(signal_handler.sigaction(), _signal.SIGTERM, place, None)
            )

    def uninstall(self) -> None:
        """Undo everything; does nothing the second time."""
        self.unregister()
        self.close()

    def close(self) -> None:
        """Close both sockets."""
        for end in (self.receiver, self.sender):
            if end is not None:
                end.close()
        self.receiver = self.sender = None

    def is_for_us(self) -> bool:
        """Tell whether this process has ever received SIGTERM; send those of children on."""
        for pid in self.writers():
            if pid == os.getpid():
                self.has_come = True
            else:
                self.send_on(pid)
        return self.has_come

    def writers(self) -> set[int]:
        """Return the PIDs of the processes that have received the signal since the last call."""
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
        """Send SIGTERM to the child `pid`, where our handler has caught it; SIGKILL if late."""
        child = self.children.setdefault(pid, Child(pid))
        child.is_to_end = True
        if child.is_late():
            child.signal(_signal.SIGKILL)
        elif child.tries < TRIES:
            child.signal(_signal.SIGTERM)

    def end_children(self) -> None:
        """Send SIGTERM once more to late children that caught the last one; forget the others."""
        for pid, child in list(self.children.items()):
            if child.is_late():
                if child.is_to_end and child.tries <= TRIES:
                    child.signal(_signal.SIGTERM)
                else:
                    del self.children[pid]

    def patience(self) -> float:
        """Return the seconds until children have to be looked at again; infinity for never."""
        return LAST_WAIT if self.children else float("inf")


class Child:
    """A process that C code has forked from this one, and that has been told to end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.tries = 0
        self.is_to_end = True  # whether it has caught the last signal, by our handler
        self.began = time.monotonic()

    def is_late(self) -> bool:
        """Tell whether the child has had LAST_WAIT seconds to become another program."""
        return time.monotonic() - self.began >= LAST_WAIT

    def signal(self, number: int) -> None:
        """Send the child the signal `number`; does nothing if that is not possible any more."""
        self.tries += 1
        self.is_to_end = False
        try:
            os.kill(self.pid, number)
        except OSError:
            return


class Output:
    """The file object that faulthandler writes to; nothing else refers to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.descriptor

    def flush(self) -> None:
        """Do nothing; faulthandler calls this once, when the file is registered."""


def die() -> None:
    """End this process by SIGTERM, as it would have ended without us."""
    os.kill(os.getpid(), _signal.SIGTERM)
