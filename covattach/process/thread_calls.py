"""System calls that change one thread, where the C library's functions change all (nptl(7))."""

from __future__ import annotations

import functools
import os
from typing import Any


@functools.cache
def library() -> Any:
    """Return the C library of this process, by ctypes."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> None:
    """Make the system call with this number; raises OSError if it fails."""
    import ctypes

    if library().syscall(ctypes.c_long(number), *arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
