"""The handler of SIGTERM that is in force, in Python and in C."""

from __future__ import annotations

import _signal
from typing import Any

from ..interpreter import capi, descriptors

SIGACTION = 19  # machine words of a `struct sigaction`, of which the first is the handler


def sigaction() -> Any:
    """Return the function of the C library."""
    return capi.function("sigaction", "i", "iPP")


def handler() -> int | None:
    """Return the address of the signal's handler; None where native calls cannot be made."""
    if not capi.is_there():
        return None
    now = capi.array("P", SIGACTION)()
    sigaction()(_signal.SIGTERM, None, capi.where(now))
    address: int | None = now[0]
    return address


def is_of_interpreter(address: int) -> bool:
    """Tell whether a function is in the file that has the interpreter's."""
    places = (address, capi.address("PyErr_SetInterrupt"))
    files = []
    for line in descriptors.text("/proc/self/maps").splitlines():
        begin, end = (int(part, 16) for part in line.split()[0].split("-"))
        files += [line.split(maxsplit=5)[5:] for place in places if begin <= place < end]
    return len(files) == len(places) and files[0] == files[1]


def is_free() -> bool:
    """Tell whether the signal is left to the default, by Python and by C."""
    return _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL and not is_caught_in_c()


def is_caught_in_c() -> bool:
    """Tell whether C code handles the signal, of which Python does not know; or may handle it."""
    try:
        caught = descriptors.text("/proc/self/status").partition("SigCgt:")[2].split()[0]
    except OSError:
        return True  # no descriptor is left to look with
    return bool(int(caught, 16) >> (_signal.SIGTERM - 1) & 1)
