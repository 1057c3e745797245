"""Capabilities of this thread, and of processes, as sets of bits (capabilities(7), capget(2))."""

from __future__ import annotations

import platform
from typing import Any

from covattach.process.thread_calls import call

OVER_FILES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: files of all users
CALLS = {"x86_64": (125, 126), "aarch64": (90, 91)}  # capget and capset
VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, whose sets have 64 bits


def parsed(status: dict[str, str], kind: str) -> int:
    """Return a set of capabilities out of /proc/PID/status; 0 where it is not told."""
    try:
        return int(status.get(kind, "0"), 16)
    except ValueError:
        return 0


def sets() -> tuple[Any, Any]:
    """Return a header and the sets of this thread: effective, permitted, inheritable, twice."""
    import ctypes

    header = (ctypes.c_uint32 * 2)(VERSION, 0)
    held = (ctypes.c_uint32 * 6)()
    call(numbers()[0], header, held)
    return header, held


def numbers() -> tuple[int, int]:
    """Return the numbers of the calls; raises OSError on a machine where they are not known."""
    if (found := CALLS.get(platform.machine())) is None:
        raise OSError(f"capset has no known number on {platform.machine()}")
    return found


def effective() -> int:
    """Return the effective set of this thread; raises OSError."""
    _, held = sets()
    return int(held[0]) | int(held[3]) << 32


def set_effective(wanted: int) -> None:
    """Change the effective set of this thread, and no other of its sets; raises OSError."""
    header, held = sets()
    held[0], held[3] = wanted & 0xFFFFFFFF, wanted >> 32
    call(numbers()[1], header, held)
