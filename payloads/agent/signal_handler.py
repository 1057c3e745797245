"""Facts about the current handler of SIGTERM, in Python and in C."""

from __future__ import annotations

import _signal
from typing import Any

from ..interpreter import capi, descriptors

SIGACTION = 19  # machine words of a `struct sigaction`, of which the first is the handler


def sigaction() -> Any:
    """Return the C library's function `sigaction`, callable from Python; raises NoNativeCalls."""
    return capi.function("sigaction", "i", "iPP")


def handler() -> int | None:
    """Return the address of SIGTERM's handler in C; None where native calls cannot be made."""
    if not capi.is_there():
        return None
    now = capi.array("P", SIGACTION)()
    sigaction()(_signal.SIGTERM, None, capi.address_of(now))
    address: int | None = now[0]
    return address


def is_of_interpreter(address: int) -> bool:
    """Tell whether the C function at `address` is in the file that has the interpreter's own."""
    places = (address, capi.address("PyErr_SetInterrupt"))
    files = []
    for line in descriptors.text("/proc/self/maps").splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        files += [line.split(maxsplit=5)[5:] for place in places if begin <= place < end]
    return len(files) == len(places) and files[0] == files[1]


def is_free() -> bool:
    """Tell whether SIGTERM has its default action, in Python and in C."""
    return _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL and not is_caught_in_c()


def is_caught_in_c() -> bool:
    """Tell whether the process has a C handler for SIGTERM; also True where that cannot be read.

    Python's own handler is one as well, if the application has set a handler in Python.
    """
    try:
        caught = descriptors.text("/proc/self/status").partition("SigCgt:")[2].split()[0]
    except OSError:
        return True  # no descriptor is left to look with
    return bool(int(caught, 16) >> (_signal.SIGTERM - 1) & 1)
