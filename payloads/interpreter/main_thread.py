"""Import `threading` from another thread than the main one without making that the main thread.

Before 3.13 the thread that imports `threading` first is `threading.main_thread()` for good, and
the interpreter's end waits for it.  A target may not have imported it, and the agent has a thread
of its own; so this is executed before anything that imports it.
"""

from __future__ import annotations

import _thread
import os
import sys
from typing import Any


def import_threading() -> None:
    """Import `threading` where it is not there yet, with the process's first thread as the main."""
    if "threading" in sys.modules or sys.version_info >= (3, 13):
        return
    # Where that thread is unknown, the oldest: states are listed from the newest to the oldest.
    whole = sys.modules[(__package__ or __name__).partition(".")[0]]  # our top-level package
    known: int = getattr(whole, "main", 0)
    ident = known or list(sys._current_frames())[-1]
    import threading

    if threading.main_thread().ident != ident:
        hand_over(threading, ident)


def hand_over(threading: Any, ident: int) -> None:
    """Make the thread `ident` the main one, instead of this one, which has imported `threading`."""
    main = threading._main_thread
    threading._active.pop(main._ident, None)
    threading._active[ident] = main
    main._ident = ident
    main._native_id = os.getpid()
    # The lock that tells that the thread has ended; at the interpreter's end it is released by
    # `threading` itself, and must be held until then.
    lock = _thread.allocate_lock()
    lock.acquire()
    with threading._shutdown_locks_lock:
        threading._shutdown_locks.discard(main._tstate_lock)
        threading._shutdown_locks.add(lock)
    main._tstate_lock = lock


import_threading()
