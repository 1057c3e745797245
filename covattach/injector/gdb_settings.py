"""Settings of a gdb that is to read nothing that a target, or another user, can have written.

gdb opens no file that the target names, for it does so with our rights, root's perhaps, and a
pipe in such a place keeps it waiting with the target stopped.  A target names its program by its
link in /proc, and more in its memory: libraries in the dynamic linker's list, debug files in its
vDSO.  So gdb is given another program, its own, and an ABI in which there are neither libraries
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
OWN_PROGRAM = "exec-file /proc/self/exe"  # for gdb that is gdb; else it opens the target's
SETTINGS = (
    OWN_PROGRAM,
    "set confirm off",
    "set pagination off",
    "set language c",
    "set print thread-events off",
    # What arrives while the target is stopped goes to it. `all` is not all: it leaves SIGINT out,
    # which gdb takes for its own.
    "handle all nostop noprint pass",
    "handle SIGINT nostop noprint pass",
)


def environment() -> dict[str, str]:
    """Return an environment in which gdb, and the Python in it, obey no file of settings.

    With `sudo`, $HOME may be another user's: a .pth file there is executed by gdb's Python.
    """
    kept = ("PATH", "LANG", "LC_ALL", "LC_CTYPE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "HOME": "/", "PYTHONNOUSERSITE": "1", "GDBHISTFILE": os.devnull}
