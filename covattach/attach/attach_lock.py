"""The lock of an attach: one covattach at a time attaches to a process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from covattach.errors import NotNow
from covattach.process import plain_files, procfs_errors
from covattach.process.process import Process, may_not


@contextlib.contextmanager
def alone(process: Process) -> Iterator[None]:
    """Hold the attach lock of `process` in the body; raises NotNow if another covattach holds it.

    The lock (flock(2)) is on a file of /proc that only those can open who may attach: nobody else
    can keep us out.  It goes with its holder.
    """
    try:
        lock = os.open(process.proc / "environ", plain_files.READING)
    except PermissionError:
        raise may_not(process) from None
    except BlockingIOError:
        raise procfs_errors.leased(process.proc, "environ") from None
    except OSError:
        process.read_start_time()
        raise
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotNow(
                f"Process {process.pid} is being attached to by another covattach.",
                "Wait for it to end.",
            ) from None
        with process.watched():
            yield
    finally:
        os.close(lock)
