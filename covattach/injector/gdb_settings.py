"""Settings with which gdb reads no file that a target, or another user, can have written.

gdb must not open a file that the target names.  It would do so with our rights, root's perhaps.  A
pipe in such a place would keep it waiting with the target stopped.  A target names its program by
its link in /proc, and more in its memory: libraries in the dynamic linker's list, debug files in
its vDSO.  So gdb is given another program, its own, and an ABI in which there are neither libraries
nor a vDSO.  Of the target it reads what the kernel says, registers, and the stack's end.
"""

from __future__ import annotations

import os

OPTIONS = (
    "set osabi none",
    "set exec-file-mismatch off",
    "set auto-solib-add off",
    "set sysroot /nonexistent",
    "set debuginfod enabled off",
    "set libthread-db-search-path /nonexistent",
    "set auto-load off",
    "set prompt",
)
OWN_PROGRAM = "exec-file /proc/self/exe"  # that is gdb itself; else it opens the target's program
SETTINGS = (
    OWN_PROGRAM,
    "set confirm off",
    "set pagination off",
    "set language c",
    "set print thread-events off",
    # Signals that arrive while the target is stopped are passed to it.  `all` leaves SIGINT out,
    # which gdb uses itself.
    "handle all nostop noprint pass",
    "handle SIGINT nostop noprint pass",
)


def environment() -> dict[str, str]:
    """Return an environment in which gdb, and the Python in it, read no configuration of a user's.

    With `sudo`, $HOME may be another user's: a .pth file there is executed by gdb's Python.
    """
    kept = ("PATH", "LANG", "LC_ALL", "LC_CTYPE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "HOME": "/", "PYTHONNOUSERSITE": "1", "GDBHISTFILE": os.devnull}
