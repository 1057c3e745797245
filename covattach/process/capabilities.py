"""Capabilities of this thread, and of processes, as sets of bits (capabilities(7), capget(2))."""

from __future__ import annotations

import platform
from typing import Any

from covattach.process.thread_calls import call

OVER_FILES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: files of all users
CALLS = {"x86_64": (125, 126), "aarch64": (90, 91)}  # capget and capset
VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3, whose sets have 64 bits


def parsed(status: dict[str, str], kind: str) -> int:
    """Return a capability set of a process as bits; 0 if it is missing or malformed.

    `status` has the fields of its /proc/PID/status; `kind` is the name of one, such as "CapEff".
    """
    try:
        return int(status.get(kind, "0"), 16)
    except ValueError:
        return 0


def sets() -> tuple[Any, Any]:
    """Return the two structures of capget(2) for this thread: the header and the sets.

    The sets are six words of 32 bits: the low halves of the effective, permitted and inheritable
    set, then the high halves.  Raises OSError.
    """
    import ctypes

    header = (ctypes.c_uint32 * 2)(VERSION, 0)
    held = (ctypes.c_uint32 * 6)()
    call(numbers()[0], header, held)
    return header, held


def numbers() -> tuple[int, int]:
    """Return the system call numbers of capget and capset; raises OSError on an unknown machine."""
    if (found := CALLS.get(platform.machine())) is None:
        raise OSError(f"capset has no known number on {platform.machine()}")
    return found


def effective() -> int:
    """Return the effective set of this thread as bits; raises OSError."""
    _, held = sets()
    return int(held[0]) | int(held[3]) << 32


def set_effective(wanted: int) -> None:
    """Set the effective set of this thread to the bits `wanted`; raises OSError.

    Its other sets stay as they are.
    """
    header, held = sets()
    held[0], held[3] = wanted & 0xFFFFFFFF, wanted >> 32
    call(numbers()[1], header, held)
