"""The end of the target: a last snapshot in the session's folder, on exit and on SIGTERM."""

from __future__ import annotations

import atexit
import json
import os
from typing import Any

from . import native

# For Python 3.9, whose `interrupt_main` knows only SIGINT.  Executed in the target's
# `__main__`, so it leaves no name there; and nothing may come out of it.
GIVE_BACK = b"""\
try: (lambda s: hasattr(s.getsignal(s.SIGTERM), "saves") and s.signal(s.SIGTERM, s.SIG_DFL))(
    __import__("_signal"))
except BaseException: pass
"""


def write_snapshot(path: str, header: dict[str, Any], blob: bytes) -> None:
    """Write a snapshot so that a reader finds the old one or the new one, whole."""
    beside = path + ".new"
    with open(beside, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(blob)
    os.replace(beside, path)


class LastSave:
    """Saves when the process ends; `handler` is the SIGTERM handler of `launch`, or None."""

    def __init__(self, take: Any, path: str, handler: Any) -> None:
        self.take = take
        self.path = path
        self.handler = handler
        self.pid = os.getpid()
        self.fault = ""

    def save(self) -> None:
        """Write a snapshot; a fault is kept for the user, the application never sees it."""
        if os.getpid() != self.pid:
            return  # a forked child has inherited this, but not the session
        try:
            write_snapshot(self.path, *self.take())
        except Exception as error:
            self.fault = f"the snapshot could not be saved: {error!r}"

    def arm(self) -> None:
        """Save at the end from now on."""
        atexit.register(self.save)
        if self.handler is not None:
            self.handler.saves.append(self.save)

    def disarm(self) -> None:
        """Undo `arm`, and give SIGTERM back."""
        atexit.unregister(self.save)
        if self.handler is not None:
            self.handler.saves.clear()
            give_sigterm_back(self.handler)


def give_sigterm_back(handler: Any) -> None:
    """Make SIGTERM what it was, see `launch.give_sigterm_back`, on Python 3.9 too.

    There the main thread has to be asked by a pending call (Py_AddPendingCall, Python/ceval.c).
    """
    if handler.give_back(handler):
        return
    try:
        pending = native.function("Py_AddPendingCall", "i", "PP")
        run = native.address("PyRun_SimpleString")
    except native.NoNativeCalls:
        return  # the table goes on naming a handler that the kernel does not call
    # Until the main thread has run it, the table holds the handler, and the handler the text.
    handler.text = native.text(GIVE_BACK)
    pending(run, native.where(handler.text))
